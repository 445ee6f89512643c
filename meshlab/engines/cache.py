"""Answers about the past, kept on disk: what will not change needs to be asked for once.

One Parquet file a piece, with checksums on every page; written beside and renamed, so that a kill leaves a whole file
or none, and readable by its owner alone. A file that cannot be read counts as absent. Whatever happens here never fails
a question.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from meshlab.core.files import write_bytes
from meshlab.core.series import Query, SeriesSet
from meshlab.engines.label_tables import label_table

__all__ = ["Cache", "identity_of"]

_VERSION: Final = "1"
_LARGEST: Final = 2 << 30
"""Bytes of a whole cache; beyond it the oldest files go."""
_SWEEP_EVERY: Final = 200


@dataclass(slots=True)
class Cache:
    """A folder of answers.

    Parameters
    ----------
    folder : Path
        Made when it is needed.
    identity : tuple of str
        Who was asked and as whom: address, tenant, forced matchers, a digest of the credentials. Answers of one are
        never given to another.
    """

    folder: Path
    identity: tuple[str, ...] = field(repr=False)
    _written: int = field(default=0, init=False)

    def get(self, *question: str) -> SeriesSet | None:
        """The answer to a question, or None."""
        import pyarrow as pa
        from pyarrow import parquet

        path = self._path(question)
        try:
            table = parquet.read_table(path, page_checksum_verification=True, partitioning=None)
            about = json.loads((table.schema.metadata or {})[b"meshlab"])
            labels, _ = label_table(about["labels"])
            sid, time, value = (table[name].to_numpy() for name in ("sid", "time", "value"))
            query = Query("", "", result_type=about["type"], infos=tuple(about["infos"]))
            query = replace(query, points_expected=about["expected"], points_got=len(sid))
            if len(sid) and not 0 <= sid.min() <= sid.max() < len(labels):
                return None
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            return None
        return SeriesSet(labels, sid, time.astype("datetime64[ms]"), value, query)

    def put(self, found: SeriesSet, *question: str) -> None:
        """Keep a whole answer; one with a warning or a missing part is not kept."""
        import pyarrow as pa
        from pyarrow import parquet

        if found.query.failed or found.query.warnings:
            return
        about = {
            "labels": [{k: v for k, v in row.items() if v} for row in found.labels.to_dict("records")],
            "type": found.query.result_type,
            "infos": list(found.query.infos),
            "expected": found.query.points_expected,
        }
        columns = {"sid": found.sid, "time": found.time.astype(np.int64), "value": found.value}
        table = pa.table({name: pa.array(column, from_pandas=False) for name, column in columns.items()})
        table = table.replace_schema_metadata({"meshlab": json.dumps(about)})
        buffer = io.BytesIO()
        parquet.write_table(
            table, buffer, compression="zstd", use_dictionary=False, write_page_checksum=True,
            column_encoding={"sid": "DELTA_BINARY_PACKED", "time": "DELTA_BINARY_PACKED", "value": "PLAIN"},
        )  # fmt: skip
        path = self._path(question)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_bytes(path, buffer.getbuffer(), mode=0o600)
        except OSError:
            return
        self._written += 1
        if self._written % _SWEEP_EVERY == 1:
            self._sweep()

    def _path(self, question: tuple[str, ...]) -> Path:
        text = json.dumps([_VERSION, *self.identity, *question])
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return self.folder / digest[:2] / f"{digest[2:]}.parquet"

    def _sweep(self) -> None:
        """Let the oldest files go when the folder is too large."""
        found = sorted(self._files(), reverse=True)
        size = 0
        for _, length, path in found:
            size += length
            if size > _LARGEST:
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        # A write that was killed leaves a file with a dot before its name.
        for path in chain(self.folder.glob("??/*.parquet"), self.folder.glob("??/.*.parquet.*")):
            try:
                status = path.stat()
            except OSError:
                continue
            yield status.st_mtime, status.st_size, path


def identity_of(*parts: object) -> str:
    """A digest of credentials: tells two apart, and gives none away."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
