"""Each promise of docs/safety.md and SECURITY.md names a test that there is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tests_that_hold_the_promises_are_there() -> None:
    told = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "docs/safety.md").read_text())
    assert told
    assert not [path for path in told if not (ROOT / path).exists()]
    own = {f"tests/safety/{path.name}" for path in (ROOT / "tests/safety").glob("test_*.py")}
    unnamed = own - set(told) - {"tests/safety/test_border.py", "tests/safety/test_promises.py"}
    assert not unnamed, "a test that holds a promise which is not made"


def test_every_row_of_a_table_of_guarantees_has_its_test() -> None:
    text = (ROOT / "docs/safety.md").read_text()
    for table in re.findall(r"\| guaranteed \|.*?\n\n", text, re.DOTALL):
        for row in table.splitlines()[2:]:
            last = row.strip().strip("|").rpartition("|")[2]
            assert not row.strip() or "tests/" in last or "the same" in last, row


def test_security_md_leads_there() -> None:
    assert "(docs/safety.md)" in (ROOT / "SECURITY.md").read_text()
