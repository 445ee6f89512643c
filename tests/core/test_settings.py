"""Settings: what is declared once is checked, told of in our words, and written out for people."""

from __future__ import annotations

import math
import pickle
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from msgspec import Meta

from meshlab.core.declarations import describe, parameters_cell, settings_table
from meshlab.core.settings import Settings, convert, read
from meshlab.core.suggest import suggest, unknown
from meshlab.errors import ConfigError, ParameterError


class Mode(StrEnum):
    CANARY = "canary"
    BLUE_GREEN = "blue-green"


class Limits(Settings):
    parallel: Annotated[int, Meta(ge=1, description="Requests at the same time.")] = 4
    rate: float = 1.0


class Sample(Settings):
    alpha: Annotated[float, Meta(gt=0, le=0.5, description="Probability of a false alarm.")] = 0.02
    service: Annotated[str, Meta(min_length=1, examples=["catalog"], description="Whom it is about.")]
    name: Annotated[str, Meta(pattern="^[a-z-]+$", title="a name of lower-case letters")] = "a-name"
    block_s: Annotated[int, Meta(ge=0, description="Length of a block.")] = 15
    dry_run: Annotated[bool, Meta(description="Whether nothing is denied.")] = True
    mode: Annotated[Mode, Meta(description="How the version is tried.")] = Mode.CANARY
    arm_by: Literal["", "version", "workload"] = ""
    slo_ms: Annotated[tuple[Annotated[float, Meta(gt=0)], ...], Meta(description="Objectives.")] = ()
    limits: Limits = Limits()
    others: dict[str, Limits] = {}
    share: Annotated[float, Meta(ge=0, le=1)] | None = None

    def __post_init__(self) -> None:
        if self.service == self.name:
            raise ParameterError("service and name are the same", "give two")


def of(**values: object) -> Sample:
    return Sample.of(**{"service": "catalog", **values})


def test_values_are_taken_as_they_are_meant() -> None:
    with pytest.raises(ParameterError, match="alpha is 7"):
        Sample(service="catalog", alpha=7)
    made = of(
        alpha=np.float64(0.3),
        block_s=np.int64(5),
        mode="blue-green",
        slo_ms=[1, 2.5],
        arm_by="version",
    )
    assert (made.alpha, made.block_s, made.mode, made.slo_ms) == (0.3, 5, Mode.BLUE_GREEN, (1.0, 2.5))
    assert of(alpha=np.float32(0.25)).alpha == 0.25
    assert of(limits={"parallel": 2}).limits == Limits.of(parallel=2)
    assert made.changed(alpha=0.1) == of(alpha=0.1, block_s=5, mode=Mode.BLUE_GREEN, slo_ms=(1, 2.5), arm_by="version")
    assert pickle.loads(pickle.dumps(made)) == made
    typed = convert(Sample, {"service": "1", "alpha": "0.05", "block_s": "7", "dry_run": "false"}, texts=True)
    assert (typed.service, typed.alpha, typed.block_s, typed.dry_run) == ("1", 0.05, 7, False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": "x"}, "alpha is 'x', not a number; give a number above 0 and at most 0.5, such as 0.02"),
        ({"alpha": 7}, "alpha is 7; give a number above 0 and at most 0.5, such as 0.02"),
        ({"alpha": True}, "alpha is true, not a number"),
        ({"alpha": math.nan}, "alpha is nan, not a number"),
        ({"limits": {"rate": math.inf}}, "limits.rate is inf, not a number"),
        ({"slo_ms": [1, math.nan]}, "slo_ms[1] is nan, not a number"),
        ({"block_s": 1.5}, "block_s is 1.5, not a whole number; give a whole number at least 0, such as 15"),
        ({"block_s": True}, "block_s is true, not a whole number"),
        (
            {"service": 1.1},
            "service is the float 1.1, not text; with papermill write -r service 1.1",
        ),
        ({"service": ""}, 'service is empty; write service = "catalog"'),
        ({"name": "../up"}, "name is '../up', not a name of lower-case letters; write name = \"a-name\""),
        ({"dry_run": 1}, "dry_run is 1, not true or false"),
        ({"mode": "blue-gren"}, "mode is 'blue-gren'; did you mean blue-green?"),
        ({"mode": "x"}, "mode is 'x'; give one of canary, blue-green"),
        ({"mode": 3}, "mode is 3; give one of canary, blue-green"),
        ({"arm_by": "versoin"}, "arm_by is 'versoin'; did you mean version?"),
        ({"slo_ms": [1, -2]}, "slo_ms[1] is -2; give a number above 0"),
        ({"slo_ms": "fast"}, "slo_ms is 'fast', not a list of numbers"),
        ({"limits": 3}, "limits is 3, not a table"),
        ({"limits": {"paralel": 1}}, "there is no setting 'limits.paralel'; did you mean parallel?"),
        ({"others": {"a": {}, "b": {"parallel": 0}}}, "others.b.parallel is 0; give a whole number at least 1"),
        ({"share": 2}, "share is 2; give a number from 0 to 1"),
        ({"alhpa": 0.1}, "there is no setting 'alhpa'; did you mean alpha?"),
        ({"service": "a-name"}, "service and name are the same; give two"),
    ],
)
def test_a_fault_is_one_sentence(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as raised:
        of(**values)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, 'report 1 has no service; write service = "catalog"'),
        ({"service": 7}, 'service of report 1 is 7, not text; write service = "catalog"'),
        ({"service": "x", "kay": 1}, "report 1 has an unknown key 'kay'"),
        (
            {"service": "x", "limits": {"parallel": 0}},
            "limits.parallel of report 1 is 0; give a whole number at least 1",
        ),
        ({"service": "x", "limits": {"paralel": 1}}, "limits of report 1 has an unknown key 'paralel'"),
        ({"service": "a-name"}, "report 1: service and name are the same"),
        ([1], "report 1 is [1], not a table"),
        ({"service": "x", "name": "\x1b[31m" * 99}, "name of report 1 is '\\x1b[31m"),
    ],
)
def test_a_fault_in_a_file_says_where(given: object, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        convert(Sample, given, what="report 1", error=ConfigError)
    assert str(raised.value).startswith(message)
    assert len(str(raised.value)) < 250


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('service = "x"\nalpha = 0.1\n')
    assert read(Sample, path, block_s=3) == Sample.of(service="x", alpha=0.1, block_s=3)
    path.write_text("alpha = 9\n")
    with pytest.raises(ParameterError, match=r"alpha of the settings .*mine.toml is 9"):
        read(Sample, path, service="x")
    path.write_text("alpha 9\n")
    with pytest.raises(ParameterError, match="is no TOML"):
        read(Sample, path)
    with pytest.raises(ParameterError, match=r"the policy .* cannot be read: No such file"):
        read(Sample, tmp_path / "none.toml", "policy")


def test_the_declaration_in_words() -> None:
    known = {setting.name: setting for setting in describe(Sample)}
    assert [(known[n].kind, known[n].range) for n in ("alpha", "block_s", "share")] == [
        ("a number", "above 0 and at most 0.5"),
        ("a whole number", "at least 0"),
        ("a number", "from 0 to 1"),
    ]
    assert (known["mode"].kind, known["mode"].choices) == ("one of canary, blue-green", ("canary", "blue-green"))
    assert (known["service"].required, known["service"].example) == (True, "catalog")
    assert {name for name, setting in known.items() if setting.in_file_only} == {"slo_ms", "limits", "others"}
    assert (known["slo_ms"].kind, known["others"].kind) == ("a list of numbers", "a table of tables")


def test_a_parameters_cell_gives_the_defaults_back() -> None:
    source = parameters_cell(Sample, {"service": "ledger"})
    assert "alpha = 0.02  # Probability of a false alarm." in source.splitlines()
    assert 'mode = "canary"  # How the version is tried.' in source.splitlines()
    names: dict[str, Any] = {}
    exec(source, names)
    names = {name: value for name, value in names.items() if name in Sample.__struct_fields__}
    assert Sample.of(**names) == Sample.of(service="ledger")
    assert 'service = "catalog"' in parameters_cell(Sample)


def test_a_table_for_the_docs() -> None:
    table = settings_table(Sample)
    assert "| `alpha` | `0.02` | a number above 0 and at most 0.5 | Probability of a false alarm. |" in table
    assert "| `service` | required | text | Whom it is about. |" in table
    assert len(table.splitlines()) == 2 + len(Sample.__struct_fields__)


def test_suggestions() -> None:
    assert suggest("Catalgo", ["ledger", "catalog"]) == "did you mean catalog?"
    assert suggest("token", ["token_env", "token_file", "url"], 2) == "did you mean token_env or token_file?"
    assert suggest(3, ["a", "b"]) == "there are: a, b"
    assert suggest("x", []) == "there are none"
    assert suggest("zzz", [f"name-{n}" for n in range(30)]).endswith("name-19 and 10 more")
    assert str(unknown("workload", "x\n", ["ab"])) == "there is no workload 'x '; there are: ab"
