"""What the mesh costs: processor time of the sidecars, as what they take idle and what each request takes.

Processor time over requests is no constant: the same sidecar looks several times as dear at 10 requests a second as at
3,000. A straight line is honest.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from meshlab.core.evidence import Evidence
from meshlab.core.subject import Subject
from meshlab.questions.scaling.samples import block_s, place_mask
from meshlab.telemetry.dialects.registry import proxy_containers

__all__ = ["overhead"]

Floats = NDArray[np.float64]

_LEAST: Final = 10
_COLUMNS: Final = (
    "version",
    "container",
    "blocks",
    "idle_millicores",
    "idle_low",
    "idle_high",
    "seconds_per_1000",
    "low",
    "high",
    "share",
)


def overhead(evidence: Evidence, subject: Subject, *, level: float) -> pd.DataFrame:
    """Fit processor time against requests, for the sidecar and the rest of each version's pods.

    Returns
    -------
    DataFrame
        One row a version and kind of container (``sidecar``, ``service``): ``blocks`` (of all pods),
        ``idle_millicores`` and ``seconds_per_1000`` (processor seconds for a thousand requests), both with intervals,
        and ``share`` of the pod's processor time. NaN where there are fewer than ten blocks, or one rate only.
    """
    cpu, counts = evidence.frames["cpu"], evidence.frames["counts"]
    if cpu.empty:
        return pd.DataFrame(columns=list(_COLUMNS))
    length = block_s(evidence)
    cpu = cpu[place_mask(cpu, subject)]
    cpu = cpu.assign(container=np.where(cpu["container"].isin(proxy_containers()), "sidecar", "service"))
    used = cpu.groupby(["pod", "container", "block"])["cpu_s"].sum().reset_index()
    mine = counts[subject.mask(counts) & (counts["destination_instance"] != "")]
    keys = ["destination_version", "destination_instance", "block"]
    asked = mine.groupby(keys)["count"].sum().reset_index()
    asked = asked.rename(columns={"destination_version": "version", "destination_instance": "pod"})
    joined = used.merge(asked, on=["pod", "block"], how="inner")
    rows = []
    for (version, container), part in joined.groupby(["version", "container"]):
        whole = float(joined.loc[joined["version"] == version, "cpu_s"].sum())
        x, y = part["count"].to_numpy(np.float64) / length, 1000 * part["cpu_s"].to_numpy(np.float64) / length
        share = float(part["cpu_s"].sum()) / whole if whole > 0 else np.nan
        rows.append((version, container, len(part), *_line(x, y, level), share))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _line(x: Floats, y: Floats, level: float) -> tuple[float, ...]:
    """Idle and slope with intervals; a millicore for a request a second is a second for a thousand requests."""
    if len(x) < _LEAST or np.ptp(x) < 0.5 * max(float(np.median(x)), 1e-9):
        return (np.nan,) * 6
    design = np.column_stack([np.ones(len(x)), x])
    found, *_ = np.linalg.lstsq(design, y, rcond=None)
    rest = y - design @ found
    inverse = np.linalg.inv(design.T @ design)
    # Noise grows with the load: the errors are those of H. White, Econometrica 48, 1980.
    spread = inverse @ (design.T * rest**2) @ design @ inverse * len(x) / (len(x) - 2)
    half = float(student.ppf(0.5 + level / 2, len(x) - 2)) * np.sqrt(np.diag(spread))
    (idle, slope), (wide, steep) = found, half
    return float(idle), float(idle - wide), float(idle + wide), float(slope), float(slope - steep), float(slope + steep)
