"""The one table of outcomes: its facts, what may be typed as ``error_codes``, and columns against rows."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshlab.errors import ParameterError
from meshlab.questions.base import installed, question
from meshlab.telemetry.outcomes import (
    DEFAULT_ERRORS,
    FLAGS,
    GRPC,
    SERVER_STATUSES,
    Arrived,
    Fault,
    errors,
    flagged,
    is_error,
    never_arrived,
    outcome,
    retried,
    unanswered,
    where,
)

# envoyproxy.io, "Access logging", %RESPONSE_FLAGS%, and ztunnel's DENY.
ENVOYS = (
    "UH UF UO NR URX NC DT UT LR UR UC DI FI RL UAEX RLSE IH SI DPE UPE UMSDR RFCF NFCF DF OM DO DR UDO LH DC".split()  # noqa: SIM905
)


def frame(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["code", "grpc_status", "flags"])


def test_every_flag_and_status_is_in_the_table() -> None:
    assert {*FLAGS} == {*ENVOYS, "DENY"}
    assert {*GRPC} == {str(number) for number in range(17)}
    # OpenTelemetry's semantic conventions, and 8: gRPC's 429.
    assert {"2", "4", "8", "12", "13", "14", "15"} == SERVER_STATUSES


@pytest.mark.parametrize(
    ("code", "status", "flags", "arrived", "fault"),
    [
        ("200", "", "", Arrived.YES, Fault.NOBODY),
        ("200", "", "-", Arrived.YES, Fault.NOBODY),
        ("404", "", "", Arrived.YES, Fault.CLIENT),
        ("429", "", "", Arrived.YES, Fault.SERVER),
        ("503", "", "", Arrived.YES, Fault.SERVER),
        ("5xx", "", "", Arrived.YES, Fault.SERVER),
        ("503", "", "UH", Arrived.NO, Fault.SERVER),
        ("503", "", "UF,URX", Arrived.NO, Fault.SERVER),
        ("503", "", "URX, UF", Arrived.NO, Fault.SERVER),
        ("404", "", "NR", Arrived.NO, Fault.MESH),
        ("503", "", "NC", Arrived.NO, Fault.MESH),
        ("503", "", "UO", Arrived.UNKNOWN, Fault.MESH),
        ("503", "", "FI", Arrived.NO, Fault.INJECTED),
        ("503", "", "DI,FI", Arrived.NO, Fault.INJECTED),
        ("200", "", "DI", Arrived.YES, Fault.NOBODY),
        ("504", "", "DI,UT", Arrived.YES, Fault.SERVER),
        ("503", "", "DI", Arrived.UNKNOWN, Fault.INJECTED),
        ("429", "", "RL", Arrived.NO, Fault.MESH),
        ("403", "", "UAEX", Arrived.NO, Fault.CLIENT),
        ("504", "", "UT", Arrived.YES, Fault.SERVER),
        ("503", "", "UC", Arrived.YES, Fault.SERVER),
        ("0", "", "DC", Arrived.UNKNOWN, Fault.CLIENT),
        ("200", "", "DC", Arrived.YES, Fault.NOBODY),
        ("0", "", "", Arrived.UNKNOWN, Fault.SERVER),
        ("200", "0", "", Arrived.YES, Fault.NOBODY),
        ("200", "14", "", Arrived.YES, Fault.SERVER),
        ("200", "14", "UH", Arrived.NO, Fault.SERVER),
        ("200", "5", "", Arrived.YES, Fault.CLIENT),
        ("", "13", "", Arrived.YES, Fault.SERVER),
        ("503", "", "SOMETHING_NEW", Arrived.YES, Fault.SERVER),
    ],
)
def test_what_became_of_a_request(code: str, status: str, flags: str, arrived: Arrived, fault: Fault) -> None:
    known = outcome(code, status, flags)
    assert (known.arrived, known.fault) == (arrived, fault)


def test_what_is_retried_by_default() -> None:
    again = frame(("503", "", "UF"), ("503", "", ""), ("503", "", "URX"), ("200", "1", ""), ("200", "14", ""))
    never = frame(("503", "", "UH"), ("503", "", "UO"), ("503", "", "FI"), ("500", "", ""), ("429", "", "RL"))
    assert retried(again).all()
    assert not retried(never).any()


def test_the_default_counts_what_the_service_owes_its_callers() -> None:
    bad = frame(
        ("500", "", ""), ("5xx", "", ""), ("429", "", ""), ("429", "", "RL"), ("0", "", ""), ("", "", "UC"),
        ("200", "12", ""), ("200", "8", ""), ("", "14", ""),
    )  # fmt: skip
    fine = frame(("200", "", ""), ("404", "", ""), ("401", "", ""), ("0", "", "DC"), ("0", "", "DR"), ("200", "5", ""))
    assert is_error(bad).all()
    assert not is_error(fine).any()
    # What a limit refused is an error, and it never arrived: one does not make the other.
    assert never_arrived(frame(("429", "", "RL"), ("429", "", ""))).tolist() == [True, False]
    # A caller that went away is no error of the service's, and had no answer.
    assert unanswered(fine).tolist() == [False, False, False, True, True, False]


def test_flags_are_whole_words() -> None:
    assert flagged(frame(("503", "", "UF,URX"), ("503", "", "URX"), ("0", "", "")), "UF").tolist() == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("404", ("404", "", ""), ("403", "", "")),
        (" 4xx ,", ("404", "", ""), ("500", "", "")),
        ("4xx", ("4xx", "", ""), ("5xx", "", "")),
        ("0", ("0", "", "UC"), ("0", "", "DC")),
        ("grpc 5", ("200", "5", ""), ("200", "14", "")),
        ("GRPC not_found", ("200", "5", ""), ("200", "0", "")),
        ("grpc server", ("200", "13", ""), ("200", "3", "")),
        ("flag dc", ("0", "", "LR,DC"), ("0", "", "")),
    ],
)
def test_what_can_be_typed(text: str, yes: tuple[str, str, str], no: tuple[str, str, str]) -> None:
    assert errors(text)(*yes)
    assert not errors(text)(*no)


@pytest.mark.parametrize(
    "text", ["", " , ", "6xx", "50x", "5XX!", "grpc 17", "grpc", "flag XX", "flag", "500 503", "ok"]
)
def test_what_is_no_outcome_is_said_in_one_sentence(text: str) -> None:
    with pytest.raises(ParameterError, match="error_codes") as caught:
        errors(text)
    assert "such as" in caught.value.hint


def test_every_question_that_counts_errors_has_the_one_setting() -> None:
    counting = [name for name in installed() if "error_codes" in question(name).Settings.__struct_fields__]
    assert {"canary", "retries", "scaling"} <= {*counting}
    for name in counting:
        assert question(name).settings().error_codes == DEFAULT_ERRORS
        with pytest.raises(ParameterError, match="error_codes"):
            question(name).settings(error_codes="5xx, nonsense")


CODES = st.sampled_from(["200", "404", "429", "503", "5xx", "0", "", "unknown"])
STATUSES = st.sampled_from(["", "0", "1", "14", "99", "-"])
SEVERAL = st.lists(st.sampled_from([*sorted(FLAGS), "", "-", "XX"]), max_size=3).map(",".join)


@given(st.lists(st.tuples(CODES, STATUSES, SEVERAL), max_size=40), st.booleans())
def test_columns_say_what_each_row_says(rows: list[tuple[str, str, str]], as_categories: bool) -> None:
    table = frame(*rows)
    table.index = pd.Index(range(7, 7 + len(rows)))
    given_ = table.astype("category") if as_categories else table
    holds = errors(DEFAULT_ERRORS)
    assert where(given_, holds).tolist() == [holds(*row) for row in rows]
    assert is_error(given_).index.equals(table.index)
    assert never_arrived(given_).tolist() == [outcome(*row).arrived is Arrived.NO for row in rows]


def test_a_frame_without_statuses_and_flags() -> None:
    assert is_error(pd.DataFrame({"code": ["500", "200"]})).tolist() == [True, False]
    assert is_error(pd.DataFrame({"code": pd.Series(dtype=str)})).empty
