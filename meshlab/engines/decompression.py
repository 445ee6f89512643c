"""A body's bytes as they arrive, unpacked in bounded pieces; a compressed body that is cut off is found out."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final

__all__ = ["TruncatedBody", "UnknownEncoding", "decompressed"]

_GZIP: Final = 31
"""zlib's number for the longest window in gzip's wrapping."""


class TruncatedBody(Exception):
    """The compressed bytes end too early, or are damaged."""


class UnknownEncoding(Exception):
    """A Content-Encoding that was not asked for."""


def decompressed(read: Callable[[], bytes], encoding: str, size: int) -> Iterator[bytes]:
    """Unpack what `read` gives until it gives nothing.

    A packed byte can stand for a thousand: no piece is longer than `size`, and none is made before it is asked for.

    Parameters
    ----------
    read : callable
        The next bytes; none at the end.
    encoding : str
        The header Content-Encoding.
    size : int
        Longest piece of an unpacked body, bytes.

    Raises
    ------
    TruncatedBody
        Only once the bytes before it were given.
    UnknownEncoding
        The encoding is neither gzip nor none.
    """
    kind = encoding.strip().lower()
    if kind in ("", "identity"):
        while piece := read():
            yield piece
    elif kind in ("gzip", "x-gzip"):
        try:
            yield from _gunzipped(read, size)
        except zlib.error as error:
            raise TruncatedBody(str(error)) from None
    else:
        raise UnknownEncoding(encoding)


def _gunzipped(read: Callable[[], bytes], size: int) -> Iterator[bytes]:
    packed = read()
    if not packed:
        return
    member = zlib.decompressobj(_GZIP)
    while packed:
        if piece := member.decompress(packed, size):
            yield piece
        packed = member.unconsumed_tail or member.unused_data
        if member.eof:
            packed = packed or read()
            # Another member, or padding, which every reader of gzip skips.
            if not packed.startswith(b"\x1f"):
                while read():
                    pass
                return
            member = zlib.decompressobj(_GZIP)
        elif not packed:
            packed = read()
    if rest := member.flush():
        yield rest
    if not member.eof:
        raise TruncatedBody("the compressed data end too early")
