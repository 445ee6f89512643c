"""What a report runs in the notebook's own kernel, after the notebook."""

from __future__ import annotations

from pathlib import Path

from meshlab.core.results import Result

__all__ = ["write_tables"]


def write_tables(folder: str | Path) -> None:
    """Write the tables of the result that was shown last, a Parquet file each.

    Parameters
    ----------
    folder : str or Path
        It exists. Nothing is written where no result was shown.
    """
    if Result.last_shown:
        for name, data in Result.last_shown.parquet():
            (Path(folder) / f"{name}.parquet").write_bytes(data)
