"""From an empty virtual environment to a first verdict about one's own mesh, typed as the README says.

    python benchmarks/first_verdict.py

Needs Debian's ``prometheus`` package and a package index. Loads a recorded canary into a real Prometheus as if it were
going on now, takes the commands from the README's "Your own mesh", and types them and what the doctor says to type
next, in an empty folder. Prints each command, its seconds and its exit code; fails when more than four are needed, or
when the last one gives no verdict.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from meshlab.core.window import Window
from meshlab.recordings.engine import Recording

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from real_prometheus import openmetrics, serving

ROOT = Path(__file__).parent.parent
MOST = 4
VERDICTS = {0: "PASS or WARN", 10: "FAIL", 11: "INCONCLUSIVE"}


def going_on() -> Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]:
    """The recorded canary, moved so that it ends now."""
    recording = Recording.open(ROOT / "data" / "canary-regression")
    span = recording.span()
    assert span
    shift_s = round(time.time() - 10 - span[1].timestamp())
    window = Window.aligned(*span, 5_000).with_lead(300_000)
    for selector in ('{__name__=~"istio_.*"}', "up"):
        found = recording.samples(selector, window)
        edges = found.starts
        for row, labels in enumerate(found.labels.to_dict("records")):
            at = slice(edges[row], edges[row + 1])
            seconds = found.time[at].astype(np.int64) / 1000 + shift_s
            yield {str(k): v for k, v in labels.items() if v}, seconds, found.value[at]


def commands() -> list[str]:
    """What the README says to type."""
    section = (ROOT / "README.md").read_text().split("## Your own mesh")[1].split("\n## ")[0]
    block = re.search(r"```\n(.*?)```", section, re.DOTALL)
    assert block, "the README has no commands"
    return [line for line in block[1].splitlines() if line and not line.startswith("#")]


def type_in(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """One line at a prompt whose folder is the new one, with its environment active."""
    path = f"{folder / '.venv' / 'bin'}:{os.environ['PATH']}"
    begin = time.perf_counter()
    done = subprocess.run(["bash", "-c", command], cwd=folder, env={**os.environ, "PATH": path}, text=True,
                          capture_output=True, check=False)  # fmt: skip
    print(f"{time.perf_counter() - begin:6.1f} s  exit {done.returncode:2}  $ {command}")
    if done.returncode not in VERDICTS:
        raise SystemExit(f"{done.stdout}{done.stderr}")
    return done


def main() -> None:
    """Build, load, type."""
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "server", openmetrics(going_on())) as url:
        folder, dist = Path(name) / "new", Path(name) / "dist"
        folder.mkdir()
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(ROOT)]
        subprocess.run(build, check=True, capture_output=True)
        (wheel,) = dist.glob("*.whl")
        typed, said = 0, ""
        for line in commands():
            command = line.replace("pip install meshlab", f"pip install --quiet {wheel}")
            said = type_in(re.sub(r"http://localhost:9090", url, command), folder).stdout
            typed += 1
        following = said.split("\nnext\n")[1].split("\n")[0].strip()
        done = type_in(following, folder)
        print(f"\n{done.stdout}\n{typed + 1} commands (allowed: {MOST})")
        if typed + 1 > MOST or not done.stdout.startswith(("PASS", "WARN", "FAIL", "INCONCLUSIVE")):
            raise SystemExit(1)


if __name__ == "__main__":
    main()
