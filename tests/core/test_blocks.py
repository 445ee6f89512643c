"""Blocks of time."""

from __future__ import annotations

import pytest

from meshlab.core.blocks import BlockGrid
from meshlab.core.window import Span
from meshlab.errors import ParameterError


@pytest.mark.parametrize("length", [-15_000, 0, "15s", 1.5, True])
def test_what_is_no_length_of_a_block_is_refused(length: object) -> None:
    with pytest.raises(ParameterError, match=r"block_ms is .*block_ms=15_000"):
        BlockGrid.over(Span(0, 60_000), length)  # type: ignore[arg-type]
