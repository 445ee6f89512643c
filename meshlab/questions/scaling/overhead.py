"""What the mesh costs: CPU time of the sidecars, when idle and for each request.

CPU time over requests is not constant: the same sidecar looks several times as expensive at 10 rps as at 3,000. A
straight line with an idle part is honest.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from meshlab.core.evidence import Evidence
from meshlab.core.subject import Subject
from meshlab.questions.scaling.samples import block_s, namespace_mask
from meshlab.questions.scaling.tables import table
from meshlab.telemetry.dialects.registry import proxy_containers

__all__ = ["overhead"]

Floats = NDArray[np.float64]

_LEAST: Final = 10


def overhead(evidence: Evidence, subject: Subject, *, level: float) -> pd.DataFrame:
    """Fit CPU time against requests, for the sidecar and the rest of each version's pods.

    Returns
    -------
    DataFrame
        Table ``overhead``, one row a version and kind of container (``sidecar``, ``service``). NaN where there are
        fewer than ten blocks, or one request rate only.
    """
    cpu, counts = evidence.frames["cpu"], evidence.frames["destination"]
    if cpu.empty:
        return table("overhead")
    length = block_s(evidence)
    cpu = cpu[namespace_mask(cpu, subject)]
    cpu = cpu.assign(container=np.where(cpu["container"].isin(proxy_containers()), "sidecar", "service"))
    used = cpu.groupby(["pod", "container", "block"])["cpu_s"].sum().reset_index()
    mine = counts[subject.mask(counts) & (counts["destination_instance"] != "")]
    keys = ["destination_version", "destination_instance", "block"]
    requests = mine.groupby(keys)["count"].sum().reset_index()
    requests = requests.rename(columns={"destination_version": "version", "destination_instance": "pod"})
    joined = used.merge(requests, on=["pod", "block"], how="inner")
    rows = []
    for (version, container), part in joined.groupby(["version", "container"]):
        whole = float(joined.loc[joined["version"] == version, "cpu_s"].sum())
        x, y = part["count"].to_numpy(np.float64) / length, 1000 * part["cpu_s"].to_numpy(np.float64) / length
        share = float(part["cpu_s"].sum()) / whole if whole > 0 else np.nan
        rows.append((version, container, len(part), *_line(x, y, level), share))
    return table("overhead", rows)


def _line(x: Floats, y: Floats, level: float) -> tuple[float, ...]:
    """Idle and slope with intervals; a millicore per rps is a CPU second per 1,000 requests."""
    if len(x) < _LEAST or np.ptp(x) < 0.5 * max(float(np.median(x)), 1e-9):
        return (np.nan,) * 6
    design = np.column_stack([np.ones(len(x)), x])
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    residuals = y - design @ coefficients
    inverse = np.linalg.inv(design.T @ design)
    # Noise grows with the load: the errors are those of H. White, Econometrica 48, 1980.
    spread = inverse @ (design.T * residuals**2) @ design @ inverse * len(x) / (len(x) - 2)
    half = float(student.ppf(0.5 + level / 2, len(x) - 2)) * np.sqrt(np.diag(spread))
    (idle, slope), (idle_half, slope_half) = coefficients, half
    ends = (idle, idle - idle_half, idle + idle_half, slope, slope - slope_half, slope + slope_half)
    return tuple(float(end) for end in ends)
