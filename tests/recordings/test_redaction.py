"""Names that do not leave the house."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from live_store import START, LiveStore, stops_at
from stored import read_folder

from meshlab.core.window import Window
from meshlab.errors import BadQuery, ParameterError, Unreachable
from meshlab.recordings.engine import Recording
from meshlab.recordings.manifest import read_manifest
from meshlab.recordings.pieces import work_folder
from meshlab.recordings.recorder import record
from meshlab.recordings.redaction import Redaction, check_redacted, new_key

WINDOW = Window((START + 600) * 1000, (START + 24_600) * 1000, 600_000)
SECRETS = ("payments-prod", "acme-bank", "alice@example.org", "spiffe://acme/ns/pay/sa/till")
KEY = "00" * 32


class Shop(LiveStore):
    """A store whose labels tell too much."""

    def __init__(self, **how: object) -> None:
        super().__init__(**how)  # type: ignore[arg-type]
        at = START + 15 * np.arange(2_000)
        rows = []
        for i, (pod, source) in enumerate([(0, 1), (1, 0), (2, 3), (3, 3)]):
            labels = {"__name__": "calls", "pod": SECRETS[pod], "source": SECRETS[source], "zone": f"z{i}"}
            rows.append((labels, at, np.arange(2_000.0) + 1e4 * i))
        rows.append(({"__name__": "calls", "pod": "unknown", "source": "-", "zone": "z9"}, at, at))
        rows.append(({"__name__": "calls", "zone": "z8"}, at, at))
        self.store = Recording.from_series(rows)


def test_equal_values_stay_equal_and_nothing_else_changes(tmp_path: Path) -> None:
    record(Shop(), ["calls"], WINDOW, tmp_path / "open", what="")
    record(Shop(), ["calls"], WINDOW, tmp_path / "shut", what="", redact=["source", "pod", "pod", "nothing"])
    plain, hidden = (read_folder(tmp_path / name) for name in ("open", "shut"))
    assert hidden.manifest["redacted"] == ["nothing", "pod", "source"]
    assert "redacted" not in plain.manifest
    one, two = plain.series.labels.set_index("zone"), hidden.series.labels.set_index("zone").sort_index()
    one = one.sort_index()
    known: dict[str, str] = {}
    for column in ("pod", "source"):
        for before, after in zip(one[column], two[column], strict=True):
            assert known.setdefault(before, after) == after, "in all labels that are redacted"
            assert after == before if before in ("", "unknown", "-") else after.startswith("r-") and len(after) == 18
    assert len(set(known.values())) == len(known)
    for zone in one.index:
        question = f'calls{{zone="{zone}"}}'
        frames = [Recording.open(tmp_path / name).samples(question, WINDOW) for name in ("open", "shut")]
        assert frames[0].value.tobytes() == frames[1].value.tobytes()


def test_no_name_is_anywhere_in_the_folder(tmp_path: Path) -> None:
    selectors = [
        f'calls{{pod="{SECRETS[0]}"}}',
        f'{{__name__="calls",source=~"{SECRETS[1]}|alice.*",zone!="z7"}}',
        'calls{pod!=""}',
        'calls{zone="z9"}',
    ]
    server = Shop()
    server.said = {"warnings": (f"the histograms of {SECRETS[0]} were not read", "slow")}
    command = f"meshlab record --source URL --selector '{selectors[0]}' --selector '{selectors[1]}' --redact pod"
    out = record(server, selectors, WINDOW, tmp_path / "shop", what="a test", command=command, redact=["pod", "source"])
    for path in out.iterdir():
        body = path.read_bytes()
        for secret in (*SECRETS, "alice"):
            assert secret.encode() not in body
    labels = read_folder(out).series.labels
    assert not labels.isin(SECRETS).to_numpy().any()
    manifest = read_manifest(out)
    one, two, three, four = manifest["selectors"]  # type: ignore[misc]
    assert one in {f'calls{{pod="{pod}"}}' for pod in labels["pod"]}, "it still tells which pod"
    assert two == '{__name__="calls",source=~"redacted",zone!="z7"}'
    assert (three, four) == ('calls{pod!=""}', 'calls{zone="z9"}')
    assert one in str(manifest["command"])
    assert manifest["warnings"] == ["the engine's 2 warnings are left out: they may name what is redacted"]
    assert len(Recording.open(out).samples(one, WINDOW)) == 1


def test_a_command_that_would_name_somebody_all_the_same_is_left_out() -> None:
    redaction = Redaction(("pod",), KEY)
    assert redaction.command("record alice", ['up{pod="alice"}']) == ""
    assert redaction.command("record bob", ['up{pod="alice"}']) == "record bob"
    assert Redaction((), KEY).command("record alice", ['up{pod="alice"}']) == "record alice"


def test_two_recordings_have_nothing_in_common(tmp_path: Path) -> None:
    found = []
    for name in "ab":
        record(Shop(), ["calls"], WINDOW, tmp_path / name, what="", redact=["pod"])
        found.append({pod for pod in read_folder(tmp_path / name).series.labels["pod"] if pod.startswith("r-")})
    assert len(found[0]) == 4
    assert not found[0] & found[1]


def test_the_key_outlives_a_kill_and_not_the_recording(tmp_path: Path) -> None:
    out = tmp_path / "shop"
    with pytest.raises(Unreachable):
        record(Shop(before=stops_at(2, Unreachable("gone", ""))), ["calls"], WINDOW, out, what="", redact=["pod"])
    key = json.loads((work_folder(out) / "journal.json").read_text())["key"]
    for path in work_folder(out).glob("*.parquet"):
        assert not any(secret.encode() in path.read_bytes() for secret in (SECRETS[0], SECRETS[2]))
    record(Shop(), ["calls"], WINDOW, out, what="", redact=["pod"])
    labels = read_folder(out).series.labels
    assert len(labels) == 6, "a pod has one name, before the kill and after it"
    assert Redaction(("pod",), key).pseudonym(SECRETS[0]) in set(labels["pod"])
    assert not any(key.encode() in path.read_bytes() for path in out.iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["pod", "__name__"], "__name__ cannot be redacted: it holds the metric's name"),
        (["le"], "le cannot be redacted: it holds the bounds of histograms"),
        (["a b"], "'a b' is not a label name"),
        ([""], "'' is not a label name"),
        ("pod", "not a list"),
    ],
)
def test_what_cannot_be_redacted_is_refused_before_anything_is_asked(
    tmp_path: Path, labels: list[str], says: str
) -> None:
    server = Shop()
    with pytest.raises(ParameterError, match=says):
        record(server, ["calls"], WINDOW, tmp_path / "shop", what="", redact=labels)
    assert server.asked == []
    assert list(tmp_path.iterdir()) == []


def test_a_selector_that_cannot_be_read_cannot_be_redacted(tmp_path: Path) -> None:
    for selector, error in (("up or down", ParameterError), ("up offset 5m", ParameterError), ("up{", BadQuery)):
        with pytest.raises(error):
            record(Shop(), [selector], WINDOW, tmp_path / "shop", what="", redact=["pod"])
    assert list(tmp_path.iterdir()) == []


def test_pseudonyms_need_the_key() -> None:
    one, two = Redaction(("a",), KEY), Redaction(("a",), new_key())
    assert one.pseudonym("x") == one.pseudonym("x") != two.pseudonym("x")
    assert one.pseudonym("x") != one.pseudonym("y")
    table = pd.DataFrame({"a": ["x", "", "x"], "b": ["x", "x", "x"]}, dtype="str")
    found = one.table(table)
    assert found["a"].tolist() == [one.pseudonym("x"), "", one.pseudonym("x")]
    assert found["b"].tolist() == ["x", "x", "x"], "only what was named"
    assert table["a"].tolist() == ["x", "", "x"], "the frame that was given stays"
    assert check_redacted(["b", "a", "b"]) == ("a", "b")


def test_a_selector_keeps_its_form() -> None:
    redaction = Redaction(("pod",), KEY)
    assert redaction.selector("  up ") == "  up "
    assert redaction.selector('up{pod=""}') == 'up{pod=""}'
    assert redaction.selector('up{pod=~".+",a="\\n"}') == 'up{pod=~".+",a="\\n"}'
    assert redaction.selector("{__name__='up',pod!~'x.*'}") == '{__name__="up",pod!~"redacted"}'
    assert redaction.selector("up{pod!='x'}") == f'up{{pod!="{redaction.pseudonym("x")}"}}'
