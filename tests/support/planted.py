"""A secret that is looked for in everything that was written: as it is, quoted, in base64, and inside Parquet files."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
from pyarrow import parquet

__all__ = ["forms", "leaks"]


def forms(secret: str) -> set[bytes]:
    """How a secret may be written. In base64, its letters depend on how many bytes stand before it."""
    texts = {secret, secret[::-1], json.dumps(secret)[1:-1], html.escape(secret), quote(secret, safe="")}
    found = {text.encode() for text in texts} | {secret.encode().hex().encode()}
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + secret.encode())
        # The first and the last letters are shared with what stands beside it.
        found.add(coded[(0, 2, 3)[before] : len(coded) - 4])
    return found


def leaks(secrets: Mapping[str, str], folder: Path, **texts: str) -> list[str]:
    """Where one of the secrets is, in a folder's files, in their names, or in texts; each in words."""
    found = []
    for where, content in (*_files(folder), *((name, text.encode()) for name, text in texts.items())):
        found += [f"{what} in {where}" for what, secret in secrets.items() if any(f in content for f in forms(secret))]
    return sorted(set(found))


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        yield f"the name {name}", name.encode()
        if path.is_file():
            content = path.read_bytes()
            yield name, content
            if path.suffix == ".parquet":
                yield name, _unpacked(content)


def _unpacked(content: bytes) -> bytes:
    """A Parquet file is compressed: its texts and what it says of itself."""
    table = parquet.read_table(io.BytesIO(content))
    about = [part for pair in (table.schema.metadata or {}).items() for part in pair]
    columns = [table[n].cast(pa.string()) for n in table.column_names if not pa.types.is_nested(table[n].type)]
    texts = [text for column in columns for text in column.to_pylist() if text]
    return b"\n".join([*about, *(text.encode() for text in texts), str(table.schema).encode()])
