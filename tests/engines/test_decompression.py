"""Compressed bodies, piece by piece."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from random import Random

import pytest

from meshlab.engines.decompression import TruncatedBody, UnknownEncoding, decompressed

TEXT = b"".join(b"%d," % i for i in range(20_000))


def reader(data: bytes, size: int) -> Callable[[], bytes]:
    blocks = iter([data[i : i + size] for i in range(0, len(data), size)])
    return lambda: next(blocks, b"")


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
@pytest.mark.parametrize("most", [1, 100, 1 << 20])
def test_pieces_are_whole_together_and_no_longer_than_allowed(size: int, most: int) -> None:
    text = TEXT[:3000]
    half = len(text) // 2
    for packed in (gzip.compress(text), gzip.compress(text[:half]) + gzip.compress(text[half:])):
        pieces = list(decompressed(reader(packed, size), "GZIP", most))
        assert b"".join(pieces) == text
        assert max(map(len, pieces)) <= most
        assert b"" not in pieces
    assert b"".join(decompressed(reader(text, size), "identity", most)) == text
    assert list(decompressed(reader(b"", size), "gzip", most)) == []


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_anywhere_is_found(seed: int) -> None:
    packed = gzip.compress(TEXT)
    cut = Random(seed).randrange(1, len(packed))
    got: list[bytes] = []
    with pytest.raises(TruncatedBody):
        got.extend(decompressed(reader(packed[:cut], 999), "gzip", 1000))
    assert TEXT.startswith(b"".join(got))


def test_a_bomb_is_made_no_faster_than_it_is_asked_for() -> None:
    pieces = decompressed(reader(gzip.compress(b" " * 100_000_000), 1 << 20), "gzip", 1000)
    assert [len(next(pieces)) for _ in range(5)] == [1000] * 5


def test_other_encodings_are_named() -> None:
    for encoding in ("br", "zstd", "deflate", "gzip, gzip"):
        with pytest.raises(UnknownEncoding, match=encoding):
            list(decompressed(reader(b"x", 1), encoding, 10))
