"""The order of instant answers: as the outermost part of the expression says, otherwise by labels."""

from __future__ import annotations

import pytest
from promql_series import load, said

SERIES = {
    'g{pod="a",job="x"}': "3",
    'g{pod="b",job="y"}': "nan",
    'g{pod="c",job="x"}': "1",
    'g{pod="d",job="y"}': "2",
    'g{pod="e",job="x"}': "2",
    'v{release="1.10"}': "1",
    'v{release="1.9"}': "2",
    'v{release="1.9-rc"}': "3",
    'v{release="2"}': "4",
    "v": "5",
}


@pytest.mark.parametrize(
    ("query", "pods"),
    [
        ("g", "acebd"),
        ("sort(g)", "cedab"),
        ("(sort_desc((g)))", "aedcb"),
        ("topk(3, g)", "aed"),
        ("topk(9, g)", "aedcb"),
        ("bottomk(2, g)", "ce"),
        ("topk by (job) (2, g)", "aedb"),
        ("topk without (pod) (1, g)", "ad"),
        ("sort_desc(topk(2, g))", "ae"),
        ('sort_by_label(g, "pod")', "abcde"),
        ('sort_by_label_desc(g, "job", "pod")', "dbeca"),
        ("sort(g) + 0", "acebd"),
        ("sort(nothing)", ""),
    ],
)
@pytest.mark.parametrize("left_open", [False, True])
def test_an_instant_answer(query: str, pods: str, left_open: bool) -> None:
    found = said(load(SERIES, left_open=left_open), query, 0)
    assert "".join(who.rpartition("pod=")[2] for who in found) == pods


def test_labels_are_ordered_as_people_count() -> None:
    found = said(load(SERIES), 'sort_by_label(v, "release")', 0)
    assert list(found.values()) == [5, 2, 3, 1, 4]
