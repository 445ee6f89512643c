"""Bytes for Arrow's threads, in memory that is Arrow's own.

Arrow decodes Parquet and CSV in native threads, and one of them may be the last to let go of the bytes that it read.
Where these belong to Python, that thread must take the interpreter's lock to free them; if the interpreter is ending by
then, CPython ends the thread in the middle of a C++ destructor, and the process aborts (exit code 134, "terminate
called without an active exception").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["reader_of"]


def reader_of(data: bytes) -> pa.BufferReader:
    """A file in memory of some bytes, to be read by Arrow in whatever threads; the bytes are copied."""
    import pyarrow as pa

    buffer = pa.allocate_buffer(len(data))
    memoryview(buffer).cast("B")[:] = data
    return pa.BufferReader(buffer)
