"""Prometheus's own test scripts, where somebody has them: ``PROMQL_SCRIPTS`` names their folder."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from promql_scripts import Script, judged

from meshlab.promql.rules import Rules

FOLDER = os.environ.get("PROMQL_SCRIPTS", "")


@pytest.mark.skipif(not FOLDER, reason="PROMQL_SCRIPTS names no folder with Prometheus's promql/promqltest/testdata")
def test_prometheus_s_own_scripts() -> None:
    asked, wrong = 0, []
    for path in sorted(Path(FOLDER).glob("*.test")):
        for question in Script(path).evals():
            if question.is_native or question.is_experimental:
                continue
            asked += 1
            said = judged(question, Rules(left_open=True))
            if said:
                wrong.append(f"{question.place} {question.query}: {said}")
    print(f"{asked - len(wrong)} of {asked} as Prometheus answers", *wrong, sep="\n")  # shown by pytest -s
    assert asked > 600
    assert Counter(line for line in wrong if ": unsupported: " in line) == Counter()
    assert len(wrong) <= 0.02 * asked
