"""A file that is to be imported: opened with care, unpacked, and never longer than it may be."""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from meshlab.core.sanitize import plain
from meshlab.errors import ParameterError

__all__ = ["ImportedFile"]

_GZIP: Final = b"\x1f\x8b"
_HEAD: Final = 1 << 16
_PIECE: Final = 1 << 20
_LONGEST: Final = 8 << 30
"""Bytes of a file, unpacked: it is read in pieces."""
_WHOLE: Final = 512 << 20
"""Bytes of a file that must be in memory as a whole."""
_LONGEST_LINE: Final = 256 << 20


@dataclass(frozen=True)
class ImportedFile:
    """A regular file that is not empty; packed with gzip or not.

    Parameters
    ----------
    path : Path
    """

    path: Path

    @classmethod
    def checked(cls, path: Path) -> ImportedFile:
        """A file that can be read.

        Raises
        ------
        ParameterError
            It is not there, is no regular file, is empty, or may not be read.
        """
        file = cls(path)
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise ParameterError(f"{file.name} is a pipe or a device", "write it to a file first")
            if not file.head.strip():
                raise ParameterError(f"{file.name} is empty", "check how it was exported")
        except FileNotFoundError:
            raise ParameterError(f"there is no file {file.name}", "check the path") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise ParameterError(
                f"{file.name} cannot be read: {reason}", "check the path and its permissions"
            ) from None
        return file

    @property
    def name(self) -> str:
        """Its path, for messages."""
        return plain(self.path)

    @cached_property
    def head(self) -> bytes:
        """Its first bytes, unpacked, by which its format is recognised."""
        return self._read(_HEAD)

    @cached_property
    def head_text(self) -> str:
        """The same as text, without a byte order mark; empty where it is not text."""
        head = self.head
        try:
            if head.startswith((b"\xff\xfe", b"\xfe\xff")):
                return head[: len(head) // 2 * 2].decode("utf-16")
            # The last character may be cut.
            text = head.decode("utf-8-sig", "ignore" if len(head) == _HEAD else "strict")
        except UnicodeDecodeError:
            return ""
        return "" if "\x00" in text else text

    def pieces(self) -> Iterator[bytes]:
        """All of it, unpacked, a megabyte at a time.

        Raises
        ------
        ParameterError
            It is cut off or damaged, or longer than a file may be.
        """
        size = 0
        try:
            with self.path.open("rb") as raw:
                packed = raw.read(2) == _GZIP
                raw.seek(0)
                opened = gzip.GzipFile(fileobj=raw) if packed else raw
                while piece := opened.read(_PIECE):
                    size += len(piece)
                    if size > _LONGEST:
                        raise ParameterError(f"{self.name} is longer than {_LONGEST:,} bytes", "import a part of it")
                    yield piece
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise ParameterError(f"{self.name} is cut off or damaged: it cannot be unpacked", "copy it again") from None

    def whole(self) -> bytes:
        """All of it, unpacked.

        Raises
        ------
        ParameterError
            As `pieces`, or longer than fits into memory.
        """
        found = self._read(_WHOLE + 1)
        if len(found) > _WHOLE:
            raise ParameterError(
                f"{self.name} is longer than {_WHOLE:,} bytes", "split it, and import all parts at once"
            )
        return found

    def lines(self) -> Iterator[bytes]:
        """Its lines, each with its end; the last may have none.

        Raises
        ------
        ParameterError
            As `pieces`, or a line is longer than any may be.
        """
        rest: list[bytes] = []
        size = 0
        for piece in self.pieces():
            rest.append(piece)
            size += len(piece)
            if b"\n" in piece:
                *lines, last = b"".join(rest).split(b"\n")
                yield from (line + b"\n" for line in lines)
                rest, size = [last], len(last)
            elif size > _LONGEST_LINE:
                raise ParameterError(f"{self.name} has a line of more than {_LONGEST_LINE:,} bytes", "split it")
        if last := b"".join(rest):
            yield last

    def _read(self, most: int) -> bytes:
        found: list[bytes] = []
        size = 0
        for piece in self.pieces():
            found.append(piece[: most - size])
            size += len(found[-1])
            if size >= most:
                break
        return b"".join(found)
