"""What holds whatever the traffic is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.core.counts import BlockGrid, Counts
from meshlab.core.evidence import Evidence
from meshlab.core.results import Result, Verdict
from meshlab.core.window import Window
from meshlab.display.result import to_html
from meshlab.questions.security.certificate_steps import steps
from meshlab.questions.security.certificates import certificates
from meshlab.questions.security.denials import changes, rbac
from meshlab.questions.security.encryption import edges, percent, shares
from meshlab.questions.security.needs import COLUMNS, WORDS
from meshlab.questions.security.question import Facts, Security
from meshlab.questions.security.settings import SecuritySettings
from meshlab.questions.security.traffic import traffic

END = 1_800_000_000
WINDOW = Window.parse(str(END - 3600), str(END), "10s", now=pd.Timestamp(END, unit="s", tz="UTC").to_pydatetime())

answer = Security().answer
INGRESSES = SecuritySettings().ingresses
GRID = BlockGrid((END - 3600) * 1000, 10_000, 360)

rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", ""]),
        st.sampled_from(["x", "y", "ingress"]),
        st.sampled_from(["mutual_tls", "none", "unknown"]),
        st.integers(1, 300),
        st.integers(1, 10_000),
    ),
    max_size=30,
)


def requests(made: list[tuple[str, str, str, int, int]], **same: object) -> Counts:
    frame = pd.DataFrame({word: pd.Series("", range(len(made)), dtype=str) for word in WORDS})
    for k, name in enumerate(("source", "destination_workload", "tls")):
        frame[name] = pd.Series([row[k] for row in made], dtype=str)
    frame["destination_service"] = frame["destination_workload"]
    frame["code"] = "200"
    return in_blocks(frame.assign(**same), made, "count")


def in_blocks(labels: pd.DataFrame, made: list[tuple[str, str, str, int, int]], quantity: str) -> Counts:
    block, value = (np.array([row[k] for row in made], np.int64) for k in (3, 4))
    return Counts.of(labels, np.arange(len(made)), block - 1, value, GRID, quantity=quantity)


def evidence(destination: Counts, source: Counts | None = None, **more: Counts) -> Evidence:
    pods, empty = ["cluster", "namespace", "pod", "instance"], pd.DataFrame()
    counts = {
        "destination": destination,
        "source": requests([]) if source is None else source,
        **dict.fromkeys(("connections", "bytes"), connections([])),
        "refused": Counts.none([*COLUMNS, "unit", "protocol", "denied"], GRID, quantity="value"),
        "signing": Counts.none([*pods, "error", "what"], GRID, quantity="value"),
        "rbac": Counts.none([*pods, "result"], GRID, quantity="value"),
    }
    frames = {
        **dict.fromkeys(("rejections", "ciphers", "versions"), empty),
        "certificates": pd.DataFrame(columns=["value", "time"]),
    }
    return Evidence(
        frames=frames, counts={**counts, **more}, window=WINDOW, source="test", block_ms=10_000, facts=Facts(0.5)
    )


def points(result: Result) -> float | None:
    return next(f.value for f in result.findings if f.code == "ML-SEC-014")


@settings(max_examples=25)
@given(rows, st.sampled_from(["a", "b", "c"]), st.sampled_from(["x", "z"]), st.integers(1, 10**6))
def test_plain_text_never_raises_the_score(
    made: list[tuple[str, str, str, int, int]], source: str, called: str, count: int
) -> None:
    before = points(answer(evidence(requests(made))))
    after = points(answer(evidence(requests([*made, (source, called, "none", 200, count)]))))
    assert after is not None
    assert before is None or after <= before
    assert after < 100


def connections(made: list[tuple[str, str, str, int, int]]) -> Counts:
    frame = pd.DataFrame({word: pd.Series("", range(len(made)), dtype=str) for word in COLUMNS})
    for k, name in enumerate(("source", "destination_workload", "tls")):
        frame[name] = pd.Series([row[k] for row in made], dtype=str)
    return in_blocks(frame, made, "value")


@settings(max_examples=15)
@given(rows, rows, st.sampled_from(["connections", "bytes"]), st.sampled_from(["x", "z"]), st.integers(1, 10**6))
def test_plain_connections_and_bytes_never_raise_the_score(
    made: list[tuple[str, str, str, int, int]],
    opened: list[tuple[str, str, str, int, int]],
    kind: str,
    called: str,
    count: int,
) -> None:
    def judged(more: list[tuple[str, str, str, int, int]]) -> float | None:
        return points(answer(evidence(requests(made), **{kind: connections([*opened, *more])})))

    before, after = judged([]), judged([("a", called, "none", 200, count)])
    assert after is not None
    assert before is None or after <= before
    assert after < 100


@settings(max_examples=25)
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(made: list[tuple[str, str, str, int, int]], random: object) -> None:
    mixed = list(made)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert answer(evidence(requests(made))).to_dict() == answer(evidence(requests(mixed))).to_dict()


def test_nothing_exported_is_not_measured() -> None:
    result = answer(evidence(requests([])))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.findings[0].key == "security.encryption.not_measured"
    # Nothing that was not measured has a figure, and nothing passes.
    assert [f.value for f in result.findings if f.value is not None] == []
    assert {f.word for f in result.findings if f.code != "ML-SEC-001"} == {"NOT_MEASURED"}
    assert result.tables["score"]["share"].isna().all()


def test_the_callers_side_alone_is_unverified_and_reporters_are_not_added() -> None:
    both = [("a", "x", "mutual_tls", 5, 10)]
    sent = requests([("a", "x", "unknown", 5, 10), ("a", "y", "unknown", 5, 7)])
    found = edges(traffic(evidence(requests(both), sent), INGRESSES), pd.Timestamp(WINDOW.end))
    told = found.set_index("destination_workload")
    assert told.loc["x", ["mtls", "unverified"]].tolist() == [10, 0]
    assert told.loc["y", "state"] == "unverified"


def test_requests_and_connections_are_never_in_one_share() -> None:
    tcp = connections([("a", "x", "unknown", 4, 5000)])
    tcp = tcp.relabelled(tcp.labels.assign(destination_service="x", source_principal="unknown", proxy="node"))
    flow = traffic(evidence(requests([("a", "x", "mutual_tls", 5, 10)]), connections=tcp), INGRESSES)
    told = shares(edges(flow, pd.Timestamp(WINDOW.end))).set_index(["unit", "by"])["share"]
    assert told["requests", "requests"] == 1
    # What the node proxy calls unknown on the called side is plain text.
    assert told["connections", "connections"] == 0


@pytest.mark.parametrize(
    ("encrypted", "plain", "text"),
    [(10, 0, "100 %"), (0, 0, "not measured"), (0, 5, "0.0 %"), (99_996, 4, "99.996 %"), (999, 1, "99.90 %")],
)
def test_a_share_never_rounds_up(encrypted: float, plain: float, text: str) -> None:
    assert percent(encrypted, plain) == text


@given(st.integers(1, 10**15), st.integers(1, 10**15))
def test_no_plain_text_is_ever_called_all(encrypted: int, plain: int) -> None:
    said = float(percent(encrypted, plain).removesuffix(" %"))
    assert said < 100
    assert said <= 100 * encrypted / (encrypted + plain) * (1 + 1e-12)


def ends(*moments: tuple[int, float], name: str = "default") -> pd.DataFrame:
    time = np.array([END + at for at, _ in moments], np.int64) * 1000
    return pd.DataFrame(
        {
            "cluster": "",
            "namespace": "shop",
            "pod": "cart-5d9c7b8f6d-x2x4z",
            "instance": "1",
            "name": name,
            "view": "served",
            "time": pd.DatetimeIndex(time.astype("datetime64[ms]")).tz_localize("UTC"),
            "value": [value for _, value in moments],
        }
    )


def test_a_step_up_is_a_rotation_and_sentinels_are_none() -> None:
    frame = ends((-900, 4294967295.0), (-600, END + 600.0), (-300, END + 600.0), (-200, END + 1000.0))
    found = steps(frame)
    assert found["rotation"].tolist() == [False, True]
    assert found["workload"].unique().tolist() == ["cart"]
    table, life = certificates(found, WINDOW, 0.5, SecuritySettings())
    assert life == 1200
    assert table["due"].tolist() == [END + 400]
    assert table["state"].tolist() == ["fine"]


def test_linkerd_renews_later() -> None:
    found = steps(ends((-600, END + 200.0)))
    istio, _ = certificates(found, WINDOW, 0.5, SecuritySettings(lifetime_s=1000))
    linkerd, _ = certificates(found, WINDOW, 0.7, SecuritySettings(lifetime_s=1000))
    assert istio["due"].tolist() == [END - 300]
    assert linkerd["due"].tolist() == [pytest.approx(END - 100)]


def test_an_authority_is_no_leaf() -> None:
    table, _ = certificates(
        steps(ends((-600, END + 10.0), name="ROOTCA")), WINDOW, 0.5, SecuritySettings(lifetime_s=1000)
    )
    assert table["kind"].tolist() == ["root"]
    assert table["state"].tolist() == ["fine"]


def test_a_change_is_where_it_is_and_constant_shares_have_none() -> None:
    total, there = np.full((3, 40), 100.0), np.ones((3, 40), bool)
    hits = np.stack([np.r_[np.zeros(25), np.full(15, 30.0)], np.full(40, 30.0), np.r_[np.zeros(25), np.full(15, 30.0)]])
    # Blocks in which nothing was counted are neither before nor after: the change is where counting goes on.
    there[2, 22:28], total[2, 22:28], hits[2, 22:28] = False, 0.0, 0.0
    assert changes(hits, total, there).tolist() == [25, -1, 28]


def test_a_dry_run_that_is_not_exported_decided_nothing() -> None:
    keys = {"cluster": "c", "namespace": "n", "pod": "p"}
    table = rbac(
        pd.DataFrame([{**keys, "result": "allowed", "value": 7.0}, {**keys, "result": "denied", "value": 0.0}])
    )
    assert table[["allowed", "denied"]].to_numpy().tolist() == [[7.0, 0.0]]
    assert table[["shadow_allowed", "shadow_denied"]].isna().all(axis=None)


HOSTILE = ["<script>alert(1)</script>", "x" * 9000, "é\u202e" * 3000, "$a$|`b`\n\x1b[31m"]


@settings(max_examples=20)
@given(st.sampled_from(HOSTILE), st.integers(1, 40))
def test_hostile_labels_neither_break_out_nor_break_the_limit(name: str, edges_of_each: int) -> None:
    made = [
        (f"{k}{name}", f"{k % 3}{name}", tls, 300, 5) for k in range(edges_of_each) for tls in ("none", "mutual_tls")
    ]
    same = {"source_principal": "spiffe://" + name, "destination_namespace": name}
    result = answer(evidence(requests(made, code=["403", "200"] * edges_of_each, **same)))
    assert result.to_dict()["question"] == "security"
    assert "<script" not in to_html(result.to_dict())
    assert all("\n" not in f.statement and "\x1b" not in f.statement for f in result.findings)
    # Cut where people read, and whole in the tables.
    assert set(result.tables["edges"]["destination_namespace"]) == {name}
