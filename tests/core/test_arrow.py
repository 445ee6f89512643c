"""What Arrow's threads read is Arrow's own: a thread that frees Python's bytes at the interpreter's end aborts."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import meshlab
from meshlab.core.arrow import reader_of

_HANDS_OVER = re.compile(r"\b(BufferReader|py_buffer|foreign_buffer|PythonFile)\(|\bopen_(csv|json)\(io\.")


@pytest.mark.parametrize("data", [b"", b"up 1\n", bytes(range(256)) * 4096])
def test_the_bytes_are_copied_and_not_held(data: bytes) -> None:
    before = sys.getrefcount(data)
    reader = reader_of(data)
    assert sys.getrefcount(data) == before
    assert reader.read() == data


def test_no_other_module_hands_its_bytes_to_arrow() -> None:
    root = Path(meshlab.__file__).parent
    found = [p.relative_to(root).as_posix() for p in root.rglob("*.py") if _HANDS_OVER.search(p.read_text())]
    assert found == ["core/arrow.py"]
