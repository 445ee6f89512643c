"""What a recording holds, in a few lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from live_store import START, LiveStore

from meshlab.core.window import Window
from meshlab.errors import RecordingError
from meshlab.recordings.contents import contents
from meshlab.recordings.engine import Recording
from meshlab.recordings.recorder import record

WINDOW = Window(START * 1000, (START + 6_000) * 1000, 600_000)


def test_metrics_are_counted_and_services_named(tmp_path: Path) -> None:
    server = LiveStore()
    at = START + 15 * np.arange(1, 101)
    rows = [({"__name__": f"m{i:02}", "pod": "a"}, at, at) for i in range(25)]
    rows += [
        ({"__name__": "calls", "destination_canonical_service": s, "n": "1"}, at, at) for s in ("b", "a", "unknown")
    ]
    rows += [({"__name__": "calls", "destination_canonical_service": "b", "n": "\x1b[2J"}, at[:3], at[:3])]
    server.store = Recording.from_series(rows)
    server.said = {"warnings": ("slow",)}
    found = contents(record(server, ['{__name__=~".+"}'], WINDOW, tmp_path / "r", what="", redact=()))
    assert found.metrics.iloc[0].tolist() == ["calls", 4, 303]
    assert found.metrics["samples"].sum() == found.manifest["samples"] == 2803
    assert found.services == ("a", "b")
    assert found.size == sum((tmp_path / "r" / f).stat().st_size for f in ("series.parquet", "samples.parquet"))
    lines = found.text().splitlines()
    assert lines[0].startswith("29 series, 2,803 samples, ")
    assert lines[2] == "  calls         4 series            303 samples"
    assert lines[22:] == ["  and 6 more metrics", "services: a, b", "warning: slow"]
    assert "\x1b" not in found.text()


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no recording"):
        contents(tmp_path / "nothing")


def test_metrics_without_a_name_or_a_service(tmp_path: Path) -> None:
    server = LiveStore()
    server.store = Recording.from_series([({"job": "x"}, [START + 5], [1.0])])
    found = contents(record(server, ['{job="x"}'], WINDOW, tmp_path / "r", what=""))
    assert (found.metrics["metric"].tolist(), found.services) == ([""], ())


def test_a_label_that_is_redacted_and_not_there_is_told(tmp_path: Path) -> None:
    one = contents(record(LiveStore(), ["up"], WINDOW, tmp_path / "one", what="", redact=["jobs", "job"])).text()
    assert one.splitlines()[-2:] == ["redacted: job", "warning: no series has the label jobs, to be redacted"]
    two = contents(record(LiveStore(), ["up"], WINDOW, tmp_path / "two", what="", redact=["jobs"])).text()
    assert "redacted: nothing" in two
