"""A real Prometheus over loopback, loaded from series in memory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from real_server import free_port, running

from meshlab.engines.http import PrometheusEngine
from meshlab.promql.rules import Rules


def escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def openmetrics(series: Iterable[tuple[Mapping[str, str], Sequence[float], Sequence[float]]]) -> str:
    """OpenMetrics text of untyped families, grouped by metric name as the format demands."""
    lines: dict[str, list[str]] = {}
    for labels, at, values in series:
        name = labels["__name__"]
        inner = ",".join(f'{k}="{escape(v)}"' for k, v in labels.items() if k != "__name__")
        lines.setdefault(name, []).extend(
            f"{name}{{{inner}}} {float(v)!r} {float(t):.3f}".replace(" inf ", " +Inf ")
            .replace(" -inf ", " -Inf ")
            .replace(" nan ", " NaN ")
            for t, v in zip(at, values, strict=True)
        )
    return "".join("\n".join(rows) + "\n" for _, rows in sorted(lines.items())) + "# EOF\n"


@contextmanager
def serving(folder: Path, text: str, *, prometheus: str = "prometheus", promtool: str = "promtool") -> Iterator[str]:
    """Load OpenMetrics text into a fresh store and serve it; yields the URL, ends the server by its id."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "series.txt").write_text(text, encoding="utf-8")
    (folder / "empty.yml").write_text("global: {}\n")
    # The text is read once for each block: one block for all of it.
    load = [promtool, "tsdb", "create-blocks-from", "--max-block-duration=8760h", "openmetrics"]
    files = [str(folder / "series.txt"), str(folder / "store")]
    subprocess.run([*load, *files], check=True, capture_output=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        prometheus,
        f"--config.file={folder / 'empty.yml'}",
        f"--storage.tsdb.path={folder / 'store'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--query.max-samples=100000000",
        "--enable-feature=promql-experimental-functions",
    ]
    with running(command, f"{url}/-/ready", folder / "log.txt"):
        yield url


def rules_of(engine: PrometheusEngine) -> Rules:
    """What a recording of a server is evaluated by."""
    manifest = {"ranges": "left-open" if engine.left_open else "closed", "engine": engine.description}
    return replace(Rules.of(manifest), delayed_names=engine.delayed_names)
