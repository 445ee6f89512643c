"""A real VictoriaMetrics over loopback, loaded from series in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import requests
from real_prometheus import escape
from real_server import free_port, running

__all__ = ["serving_victoria"]

Series = tuple[Mapping[str, str], Sequence[float], Sequence[float]]


def _line(labels: Mapping[str, str], at: Sequence[float], values: Sequence[float]) -> str:
    times = [round(float(t) * 1000) for t in at]
    return json.dumps({"metric": dict(labels), "values": list(map(float, values)), "timestamps": times})


def _text(labels: Mapping[str, str], at: Sequence[float], values: Sequence[float]) -> str:
    """Prometheus's text, for values that JSON does not know."""
    inner = ",".join(f'{k}="{escape(v)}"' for k, v in labels.items() if k != "__name__")
    lines = (f"{labels['__name__']}{{{inner}}} {v} {round(float(t) * 1000)}" for t, v in zip(at, values, strict=True))
    return "\n".join(lines).replace(" inf ", " +Inf ").replace(" -inf ", " -Inf ").replace(" nan ", " NaN ") + "\n"


@contextmanager
def serving_victoria(folder: Path, series: Iterable[Series], *, binary: str = "victoria-metrics") -> Iterator[str]:
    """Serve series; yields the URL, ends the server by its id."""
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        binary,
        f"-storageDataPath={folder / 'store'}",
        f"-httpListenAddr={url.removeprefix('http://')}",
        "-retentionPeriod=100y",
        "-search.maxUniqueTimeseries=2000000",
    ]
    with running(command, f"{url}/health", folder / "log.txt"):
        batch: list[str] = []
        for one in series:
            if not np.isfinite(one[2]).all():
                _post(f"{url}/api/v1/import/prometheus", _text(*one))
                continue
            batch.append(_line(*one))
            if len(batch) == 500:
                _import(url, batch)
                batch = []
        _import(url, batch)
        requests.get(f"{url}/internal/force_flush", timeout=60).raise_for_status()
        yield url


def _import(url: str, lines: list[str]) -> None:
    if lines:
        _post(f"{url}/api/v1/import", "\n".join(lines))


def _post(url: str, text: str) -> None:
    requests.post(url, data=text.encode(), timeout=60).raise_for_status()
