from __future__ import annotations

import pytest

from meshlab.errors import ParameterError, ReportError
from meshlab.reports.run.parameters import Parameter, convert, declared

SOURCE = """text = "a = 1 # no comment"  # of "text", a # b
empty = ""
whole = -3  # a whole number
number = 0.5  # a number
switch = True  # on or off
"""
KNOWN = declared(SOURCE)


def test_declarations_are_read_with_types_and_comments() -> None:
    assert (
        Parameter("text", "a = 1 # no comment", 'of "text", a # b'),
        Parameter("empty", ""),
        Parameter("whole", -3, "a whole number"),
        Parameter("number", 0.5, "a number"),
        Parameter("switch", True, "on or off"),
    ) == KNOWN


def test_annotations_say_the_type() -> None:
    source = 'a: str = "1"  # text\nb: float = 1  # a number\nc: bool = False\nd: int = -3'
    found = declared(source)
    assert found == (
        Parameter("a", "1", "text"),
        Parameter("b", 1.0, "a number"),
        Parameter("c", False),
        Parameter("d", -3),
    )
    assert convert(found, {"b": "2.5", "a": "1.10"}) == {"a": "1.10", "b": 2.5}


@pytest.mark.parametrize(
    "source",
    [
        "x: int = 1.5",
        "x: int = True",
        "x: str = 1",
        "x: list = []",
        "x: list[int] = 1",
        "x: int",
        "x.y: int = 1",
        "x = open('f')",
        "import os",
        "x = [1]",
        "x = None",
        "x = 1; x = 2",
        "x, y = 1, 2",
        "x = y = 1",
        "x += 1",
        "def f(): pass",
        "x = (",
        "x = f'{1}'",
        "x = 1 if 2 else 3",
        "x.y = 1",
        "x = '\0'",
    ],
)
def test_anything_but_a_literal_is_refused(source: str) -> None:
    with pytest.raises(ReportError):
        declared(source)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("text", "1.10", "1.10"),
        ("text", "true", "true"),
        ("text", ' a"b\\\n{x}\'"""; import os #', ' a"b\\\n{x}\'"""; import os #'),
        ("empty", "", ""),
        ("whole", "+12", 12),
        ("number", "3", 3.0),
        ("number", "1e-3", 0.001),
        ("number", ".5", 0.5),
        ("switch", "false", False),
        ("switch", "True", True),
    ],
)
def test_values_get_the_declared_type(name: str, text: str, value: object) -> None:
    found = convert(KNOWN, {name: text})
    assert found == {name: value}
    assert type(found[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("whole", "1.5", "a whole number"),
        ("whole", "", "a whole number"),
        ("whole", "1_000", "a whole number"),
        ("whole", "9" * 5000, "a whole number"),
        ("number", "nan", "a number"),
        ("number", "1e999", "a number"),
        ("number", "__import__('os')", "a number"),
        ("switch", "yes", "true or false"),
        ("switch", "1", "true or false"),
        ("text", "\udcff", "text"),
    ],
)
def test_a_wrong_type_names_parameter_value_and_type(name: str, text: str, wanted: str) -> None:
    with pytest.raises(ParameterError) as e:
        convert(KNOWN, {name: text})
    assert f"parameter {name} is " in str(e.value)
    assert f"not {wanted}" in str(e.value)
    assert text in str(e.value) or text == "\udcff"
    str(e.value).encode()


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ParameterError, match=r"no parameter 'numbr'; did you mean number\?"):
        convert(KNOWN, {"numbr": "1"})
    with pytest.raises(ParameterError, match="there are: text, empty, whole, number, switch"):
        convert(KNOWN, {"zzzzzz": "1"})
