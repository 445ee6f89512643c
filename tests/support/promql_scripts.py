"""Test scripts in the language of Prometheus's promqltest, run on the embedded evaluator.

The scripts themselves are not part of this repository: ``PROMQL_SCRIPTS`` names a folder with them, which is
``promql/promqltest/testdata`` of Prometheus's source.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import promql_parser as ast

from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Window
from meshlab.engines.label_tables import label_table
from meshlab.errors import BadQuery, UnsupportedQuery
from meshlab.promql.rules import Rules
from meshlab.promql.sample_store import Resident
from meshlab.promql.store import Condition, Store
from meshlab.promql.syntax import parse, selector_conditions
from meshlab.recordings.engine import Recording

__all__ = ["Eval", "Script", "judged"]

_STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
_SERIES = re.compile(r"""(?P<who>[^\s{]*(?:\{(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^"'}])*\})?)\s*(?P<points>.*)""")
_LABEL = re.compile(
    r"""\s*(?:(?P<name>[\w.:]+|"(?:\\.|[^"\\])*")\s*=\s*)?(?P<value>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)\s*,?"""
)
_RUN = re.compile(r"(?P<first>[^x_]+?)(?:(?P<step>(?<![eE])[+-][^+x]*))?x(?P<times>\d+)")
_RANGE = re.compile(r"range from (\S+) to (\S+) step (\S+)\s+(.*)")
_INSTANT = re.compile(r"instant at (\S+)\s+(.*)")
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
_RAW = re.compile(r"expect range vector from (\S+) to \S+ step (\S+)")
_PLACE = re.compile(r" \(\d+:\d+\)$")
# By name, what this evaluator does not claim: experimental in Prometheus itself, or native histograms.
_EXPERIMENTAL = re.compile(
    r"\b(?:limitk|limit_ratio|info|max_of|min_of|mad_over_time|ts_of_\w+|start_timestamp|double_exponential_smoothing"
    r"|histogram_quantiles|sort_by_label\w*|anchored|smoothed|fill|fill_left|fill_right)\b"
    r"|\b(?:start|end|step|range)\(\)(?<!@ start\(\))(?<!@ end\(\))|</|>/",
    re.IGNORECASE,
)
_FILES = ("native_histograms", "start_timestamps", "type_and_unit", "duration_expression", "name_label_dropping")
_OF_FILES = ("info", "extended_vectors", "limit", "fill-modifier")
_NATIVE = re.compile(
    r"\bhistogram_(?:count|sum|avg|stddev|stdvar)\b|\{\{",
)

Labels = tuple[tuple[str, str], ...]


class _Steps(Window):
    """A window whose steps begin wherever a script says."""

    def __post_init__(self) -> None:
        """No grid to lie on."""


@dataclass
class Eval:
    """One question of a script, and what is expected."""

    place: str
    query: str
    start_ms: int
    end_ms: int
    step_ms: int
    series: list[tuple[dict[str, str], str, int]]
    native: list[dict[str, str]]
    lines: list[str] = field(default_factory=list)

    @property
    def is_experimental(self) -> bool:
        """Whether the question asks for what Prometheus itself calls experimental."""
        name = self.place.split(".")[0]
        return name in (*_FILES[1:], *_OF_FILES) or _EXPERIMENTAL.search(_unquoted(self.query)) is not None

    @property
    def is_native(self) -> bool:
        """Whether a native histogram is asked for, or answered."""
        if _NATIVE.search(self.query) or any("{{" in line for line in self.lines):
            return True
        try:
            node = parse(self.query)
        except (BadQuery, UnsupportedQuery):
            return bool(set(re.findall(r"[\w:]+", self.query)) & {who.get("__name__") for who in self.native})
        who = [dict(pairs) for pairs in {tuple(sorted(labels.items())) for labels in self.native}]
        nothing = SeriesSet.empty(Query("", ""))
        store = Store(Resident(replace(nothing, labels=label_table(who)[0])))
        return any(len(store.find(conditions)) for conditions in _conditions(node))


def _conditions(node: object) -> Iterator[list[Condition]]:
    """The matchers of every selector in an expression."""
    if isinstance(node, ast.VectorSelector):
        yield selector_conditions(node)
    parts = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "param")]
    for part in (*parts, *getattr(node, "args", ())):
        if part is not None:
            yield from _conditions(part)


@dataclass
class Script:
    """A file of questions."""

    path: Path

    def evals(self) -> Iterator[Eval]:
        """Every question, with all that was loaded before it."""
        series: list[tuple[dict[str, str], str, int]] = []
        native: list[dict[str, str]] = []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        at = 0
        while at < len(lines):
            line = lines[at].strip()
            number, at = at + 1, at + 1
            block = []
            if line.startswith(("load", "eval")):
                while at < len(lines) and lines[at].strip() and not lines[at].strip().startswith("#"):
                    block.append(lines[at].strip())
                    at += 1
            if line.startswith("clear"):
                series, native = [], []
            elif line.startswith("load"):
                command, every = line.split()
                step = _ms(every)
                for text in block:
                    who, points = series_of(text)
                    if "{{" in points:
                        native.append(who)
                    else:
                        series.append((who, points, step))
                        if command.endswith("nhcb"):
                            base = re.sub("_(bucket|sum|count)$", "", who.get("__name__", ""))
                            native.append({k: v for k, v in who.items() if k != "le"} | {"__name__": base})
            elif line.startswith("eval"):
                command, _, rest = line.partition(" ")
                found = _RANGE.match(rest)
                if found:
                    bounds, query = tuple(map(_ms, found.groups()[:3])), found[4]
                else:
                    instant = _INSTANT.match(rest)
                    assert instant, line
                    bounds, query = (_ms(instant[1]), _ms(instant[1]), 0), instant[2]
                extra = ["expect fail"] if command == "eval_fail" else []
                place = f"{self.path.name}:{number}"
                yield Eval(place, query, *bounds, list(series), list(native), [*extra, *block])


def series_of(text: str) -> tuple[dict[str, str], str]:
    """Labels and points of a series' line."""
    found = _SERIES.fullmatch(text.strip())
    assert found, text
    name, brace, inner = found["who"].partition("{")
    labels = {"__name__": name} if name else {}
    if brace:
        for label in _LABEL.finditer(inner.rstrip("}")):
            value = _text(label["value"])
            # A quoted text without a name is the metric's.
            labels[_text(label["name"]) if label["name"] else "__name__"] = value
    return labels, found["points"]


def _text(word: str) -> str:
    if word[0] not in "\"'`":
        return word
    if word[0] == "`":
        return word[1:-1]
    return word[1:-1].encode("latin-1", "backslashreplace").decode("unicode_escape")


def _unquoted(query: str) -> str:
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', query)


def _ms(text: str) -> int:
    if re.fullmatch(r"-?[\d.]+", text):
        return round(float(text) * 1000)
    sign = -1 if text.startswith("-") else 1
    return sign * sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))


def points(text: str) -> list[float | None]:
    """``1+2x3`` is 1 3 5 7; ``_`` is no sample, ``stale`` a marker."""
    found: list[float | None] = []
    for word in text.split():
        if re.fullmatch(r"_(x\d+)?", word):
            found += [None] * int(word[2:] or 1)
            continue
        run = _RUN.fullmatch(word)
        if run:
            first, step = _number(run["first"]), float(run["step"] or 0)
            value = first
            for _ in range(int(run["times"]) + 1):
                found.append(value)
                value += step
        else:
            found.append(_STALE if word == "stale" else _number(word))
    return found


def _number(text: str) -> float:
    return float(int(text, 0)) if re.fullmatch(r"0x[0-9a-fA-F]+", text) else float(text)


def recording_of(question: Eval, rules: Rules) -> Recording:
    """What was loaded, as a recording."""
    joined: dict[Labels, dict[int, float]] = {}
    for labels, text, step in question.series:
        samples = joined.setdefault(tuple(sorted(labels.items())), {})
        for at, value in enumerate(points(text)):
            if value is not None:
                samples[at * step] = value
    rows = [
        (dict(who), np.array(sorted(samples)) / 1000, np.array([samples[t] for t in sorted(samples)]))
        for who, samples in joined.items()
    ]
    return Recording.from_series(rows, rules=rules)


def judged(question: Eval, rules: Rules) -> str:
    """What is wrong about our answer; empty when nothing is, ``unsupported: ...`` where it is refused by name."""
    expects = [line for line in question.lines if line.startswith("expect")]
    wanted = [series_of_answer(line) for line in question.lines if not line.startswith("expect")]
    fails = [line for line in expects if line.startswith("expect fail")]
    recording = recording_of(question, rules)
    try:
        if question.step_ms and question.end_ms > question.start_ms:
            window = _Steps(question.start_ms, question.end_ms, question.step_ms)
            found = recording.query_range(question.query, window)
        else:
            found = recording.query(question.query, datetime.fromtimestamp(question.start_ms / 1000, UTC))
    except UnsupportedQuery as error:
        return "" if fails else f"unsupported: {error.what}"
    except BadQuery as error:
        return "" if fails else f"refused: {error.what}"
    if fails:
        return "answered what Prometheus refuses"
    if any(line.startswith("expect string") for line in expects):
        return "answered what is a string"
    return _annotations(found, expects) or _values(found, wanted, question, "expect ordered" in expects)


def series_of_answer(line: str) -> tuple[Labels, list[float | None]]:
    """Labels and values of an expected series; a scalar has no labels."""
    if re.fullmatch(r"[-+]?(?:[\d.]+(?:[eE][-+]?\d+)?|0x[0-9a-fA-F]+|NaN|Inf)", line):
        return (), [_number(line)]
    labels, text = series_of(line)
    return tuple(sorted(labels.items())), points(text)


def _annotations(found: SeriesSet, expects: list[str]) -> str:
    for kind, said in (("warn", found.query.warnings), ("info", found.query.infos)):
        asked = [line.removeprefix(f"expect {kind}").strip() for line in expects if re.match(rf"expect {kind}\b", line)]
        if f"expect no_{kind}" in expects and said:
            return f"a needless {kind}: {said}"
        if not asked:
            continue
        for text in asked:
            how, _, rest = text.partition(":")
            rest = rest.strip()
            if how == "msg" and not any(_bare(rest) == _bare(one) for one in said):
                return f"{kind} {rest!r} missing, only {said}"
            # The place in the query is not told: it is cut off from both.
            pattern = re.sub(r" \\\(.*\\\)$", "", rest)
            if how == "regex" and not any(re.search(pattern, one) for one in said):
                return f"{kind} like {rest!r} missing, only {said}"
            if not said:
                return f"{kind} missing"
    return ""


def _bare(text: str) -> str:
    return _PLACE.sub("", text)


def _values(found: SeriesSet, wanted: list[tuple[Labels, list[float | None]]], question: Eval, ordered: bool) -> str:
    mine: list[tuple[Labels, dict[int, float]]] = []
    for row in found.labels.to_dict("records") or [{}] * len(found):
        mine.append((tuple(sorted((str(k), str(v)) for k, v in row.items() if v)), {}))
    for sid, t, v in zip(found.sid, found.time.astype(np.int64), found.value, strict=True):
        mine[sid][1][int(t)] = float(v)
    raw = next(
        (
            re.match(r"expect range vector from (\S+) to (\S+) step (\S+)", x)
            for x in question.lines
            if "range vector" in x
        ),
        None,
    )
    start, step = (_ms(raw[1]), _ms(raw[3])) if raw else (question.start_ms, question.step_ms or 1)
    theirs = [(who, {start + i * step: v for i, v in enumerate(values) if v is not None}) for who, values in wanted]
    theirs = [(who, values) for who, values in theirs if values]
    if ordered and [who for who, _ in mine] != [who for who, _ in theirs]:
        return f"order: {[who for who, _ in mine]}"
    if sorted(who for who, _ in mine) != sorted(who for who, _ in theirs):
        return f"series differ: ours {sorted(w for w, _ in mine)[:4]}, theirs {sorted(w for w, _ in theirs)[:4]}"
    answer = dict(mine)
    for who, values in theirs:
        if answer[who].keys() != values.keys():
            return f"points of {who} differ: ours {sorted(answer[who])[:6]}, theirs {sorted(values)[:6]}"
        for t, v in values.items():
            if not _near(answer[who][t], v):
                return f"{who} at {t}: ours {answer[who][t]!r}, theirs {v!r}"
    return ""


def _near(a: float, b: float) -> bool:
    """As promqltest compares: by a millionth of both."""
    if a == b or (np.isnan(a) and np.isnan(b)):
        return True
    return bool(abs(a - b) / min(abs(a) + abs(b), np.finfo(float).max) < 1e-6) if np.isfinite([a, b]).all() else False
