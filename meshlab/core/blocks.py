"""Time cut into blocks: the one place for the arithmetic of which moment belongs to which block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from meshlab.core.series import utc_index
from meshlab.core.window import Span
from meshlab.errors import ContractError, ParameterError

__all__ = ["BlockGrid"]


@dataclass(frozen=True, slots=True)
class BlockGrid:
    """Time cut into blocks of equal length, numbered from 0.

    Parameters
    ----------
    start_ms : int
        Where the first block starts, unix milliseconds.
    block_ms : int
        Length of a block, milliseconds; greater than zero.
    blocks : int
        How many there are.

    Notes
    -----
    A sample belongs to the block with start < time <= end, as it belongs to a window.
    """

    start_ms: int
    block_ms: int
    blocks: int

    def __post_init__(self) -> None:
        if self.block_ms <= 0 or self.blocks < 0:
            raise ContractError(f"no blocks of time: {self.blocks} of {self.block_ms} ms")

    @classmethod
    def over(cls, span: Span, block_ms: int) -> Self:
        """The blocks of a span; a last one that would reach beyond it is left out.

        Raises
        ------
        ParameterError
            The length of a block is not a whole number of milliseconds above zero.
        """
        if isinstance(block_ms, bool) or not isinstance(block_ms, int | np.integer) or block_ms <= 0:
            raise ParameterError(
                f"block_ms is {block_ms!r}, which is no length of a block",
                "give whole milliseconds above 0, such as block_ms=15_000",
            )
        return cls(span.start_ms, block_ms, span.duration_ms // block_ms)

    @property
    def dtype(self) -> type[np.int16] | type[np.int32]:
        """The smallest type that holds the number of every block."""
        return np.int16 if self.blocks < 1 << 15 else np.int32

    @property
    def ends(self) -> pd.DatetimeIndex:
        """End of each block, UTC; shape (blocks,)."""
        return self.ends_of(np.arange(self.blocks))

    def block_of(self, time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Block of each moment (unix milliseconds); -1 outside of the grid."""
        block = (time_ms - self.start_ms - 1) // self.block_ms
        return np.where((block >= 0) & (block < self.blocks), block, -1)

    def ends_of(self, block: ArrayLike) -> pd.DatetimeIndex:
        """End of each of some blocks, UTC."""
        return utc_index(self.start_ms + (np.asarray(block, np.int64) + 1) * self.block_ms)
