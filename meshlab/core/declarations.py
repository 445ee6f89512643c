"""What a struct of settings declares, in words: for messages, parameters cells, help and tables of the docs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, inspect

from meshlab.core.sanitize import plain

__all__ = ["Setting", "bare", "declaration", "describe", "parameters_cell", "settings_table"]

_NUMBERS: Final = (inspect.IntType, inspect.FloatType)
_LISTS: Final = (inspect.ListType, inspect.VarTupleType, inspect.TupleType, inspect.SetType, inspect.FrozenSetType)
_KINDS: Final[dict[type, tuple[str, str]]] = {
    inspect.FloatType: ("a number", "numbers"),
    inspect.IntType: ("a whole number", "whole numbers"),
    inspect.StrType: ("text", "texts"),
    inspect.BoolType: ("true or false", "flags"),
    inspect.DateType: ("a day", "days"),
    inspect.DateTimeType: ("a time", "times"),
    inspect.StructType: ("a table", "tables"),
    inspect.DictType: ("a table", "tables"),
    inspect.AnyType: ("a value", "values"),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One declared setting.

    Parameters
    ----------
    name : str
    kind : str
        ``a number``, ``a whole number``, ``text``, ``true or false``, ``one of a, b``, ``a list of numbers``, ...
    default : object
        None where there is none, too; see `required`.
    range : str
        ``above 0 and below 1``; empty for no bounds.
    choices : tuple of str
        The texts that are accepted; empty where that is not limited.
    meaning : str
        One sentence.
    required : bool
    in_file_only : bool
        Lists and tables are given in files: no parameters cell and no command line holds them.
    example : object
        The first of the declared examples, else the default; None for neither.
    """

    name: str
    kind: str
    default: Any
    range: str
    choices: tuple[str, ...]
    meaning: str
    required: bool
    in_file_only: bool
    example: Any

    @property
    def example_line(self) -> str:
        """``write alpha = 0.02``."""
        usual = (
            self.choices[0] if self.choices else {"a number": 1.0, "a whole number": 1, "a table": {}}.get(self.kind)
        )
        value = next((v for v in (self.example, usual) if v is not None), "...")
        return f"write {self.name} = {literal(value)}"

    @property
    def remedy(self) -> str:
        """``give a number above 0 and below 1, such as 0.02``, else ``write tz = "Europe/Berlin"``."""
        if self.range:
            return f"give {self.kind} {self.range}{f', such as {literal(self.example)}' if self.example else ''}"
        return self.example_line if self.example else f"give {self.kind}"

    def is_kind(self, value: object) -> bool:
        """Whether a value that does not fit is of the kind at least, as a number out of its range is."""
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return number and (self.kind == "a number" or (self.kind == "a whole number" and isinstance(value, int)))


def describe(cls: type[msgspec.Struct]) -> tuple[Setting, ...]:
    """Every setting of a struct, in the order of its declaration."""
    return tuple(declaration(field) for field in msgspec.structs.fields(cls))


def parameters_cell(cls: type[msgspec.Struct], examples: Mapping[str, object] | None = None) -> str:
    """Source text of a notebook's parameters: ``name = default  # meaning``, a line each.

    Parameters
    ----------
    cls : type
    examples : mapping of str to object
        Values to show in place of defaults; a required setting without one shows its declared example.
    """
    lines = []
    for setting in describe(cls):
        if not setting.in_file_only:
            usual = setting.default if setting.default is not None else setting.example
            value = {setting.name: usual, **(examples or {})}[setting.name]
            lines.append(f"{setting.name} = {python(value, setting.kind)}  # {setting.meaning}".rstrip(" #"))
    return "\n".join(lines)


def settings_table(cls: type[msgspec.Struct]) -> str:
    """The settings as a Markdown table."""
    lines = ["| setting | default | what it takes | meaning |", "|---|---|---|---|"]
    for setting in describe(cls):
        default = "required" if setting.required else f"`{literal(setting.default)}`" if setting.default else ""
        takes = f"{setting.kind} {setting.range}".strip() + (", in a file only" if setting.in_file_only else "")
        lines.append(f"| `{setting.name}` | {default} | {takes} | {setting.meaning} |".replace("  ", " "))
    return "\n".join(lines)


def declaration(declared: Any, name: str = "") -> Setting:
    """What a field of a struct, or a type, declares.

    Parameters
    ----------
    declared : msgspec.structs.FieldInfo or type
    name : str
        For a type.
    """
    default: Any = NODEFAULT
    hint = declared
    if isinstance(declared, msgspec.structs.FieldInfo):
        name, hint, default = declared.encode_name, declared.type, declared.default
        if declared.default_factory is not NODEFAULT:
            default = declared.default_factory()
    info, meta = _unwrapped(inspect.type_info(hint))
    # msgspec sorts them.
    choices = tuple(map(str, get_args(bare(hint)))) if isinstance(info, inspect.LiteralType) else _choices(info)
    required = default is NODEFAULT
    default = default.value if isinstance(default, Enum) else None if required else default
    default = float(default) if isinstance(info, inspect.FloatType) and default is not None else default
    return Setting(
        name,
        meta.get("title", "") or (f"one of {', '.join(filter(None, choices))}" if choices else _kind(info)),
        default,
        _range(info),
        choices,
        meta.get("description", ""),
        required and isinstance(declared, msgspec.structs.FieldInfo),
        isinstance(info, (*_LISTS, inspect.DictType, inspect.StructType)),
        next(iter(meta.get("examples", ())), default),
    )


def bare(hint: Any) -> Any:
    """A type without its annotations and without None."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        return bare(kinds[0]) if len(kinds) == 1 else hint
    return hint


def literal(value: object) -> str:
    """A value as TOML writes it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{plain(value)}"'
        case list() | tuple():
            return f"[{', '.join(map(literal, value))}]"
        case msgspec.Struct():
            return literal(msgspec.structs.asdict(value))
        case Mapping():
            return f"{{ {', '.join(f'{key} = {literal(item)}' for key, item in value.items())} }}"
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def python(value: object, kind: str) -> str:
    """A value as a parameters cell writes it: double quotes, and numbers that stay numbers."""
    if isinstance(value, str):
        return literal(value)
    return repr(float(value)) if kind == "a number" and isinstance(value, int | float) else repr(value)


def _unwrapped(info: inspect.Type) -> tuple[inspect.Type, dict[str, Any]]:
    meta: dict[str, Any] = {}
    while True:
        if isinstance(info, inspect.Metadata):
            meta |= info.extra_json_schema or {}
            info = info.type
        elif isinstance(info, inspect.UnionType) and len(kinds := _some(info)) == 1:
            info = kinds[0]
        else:
            return info, meta


def _some(info: inspect.UnionType) -> list[inspect.Type]:
    return [kind for kind in info.types if not isinstance(kind, inspect.NoneType)]


def _choices(info: inspect.Type) -> tuple[str, ...]:
    if isinstance(info, inspect.EnumType):
        return tuple(str(member.value) for member in info.cls)
    return tuple(map(str, info.values)) if isinstance(info, inspect.LiteralType) else ()


def _kind(info: inspect.Type, *, plural: bool = False) -> str:
    info, meta = _unwrapped(info)
    if "title" in meta:
        return str(meta["title"])
    if choices := _choices(info):
        return f"one of {', '.join(filter(None, choices))}"
    if isinstance(info, _LISTS):
        items = info.item_types[0] if isinstance(info, inspect.TupleType) else info.item_type
        return f"{'lists' if plural else 'a list'} of {_kind(items, plural=True)}"
    if isinstance(info, inspect.UnionType):
        return " or ".join(_kind(kind, plural=plural) for kind in _some(info))
    if isinstance(info, inspect.DictType) and not isinstance(_unwrapped(info.value_type)[0], inspect.AnyType):
        return f"{'tables' if plural else 'a table'} of {_kind(info.value_type, plural=True)}"
    if isinstance(info, inspect.CustomType):
        return info.cls.__name__.lower() + "s" if plural else f"a {info.cls.__name__.lower()}"
    return _KINDS.get(type(info), ("a value", "values"))[plural]


def _range(info: inspect.Type) -> str:
    if not isinstance(info, _NUMBERS):
        return ""
    if info.ge is not None and info.le is not None:
        return f"from {info.ge:g} to {info.le:g}"
    bounds = (("above", info.gt), ("at least", info.ge), ("below", info.lt), ("at most", info.le))
    return " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
