"""Settings declared once: type, range, default and meaning of each in a msgspec struct, faults in our own words.

::

    class BurnSettings(Settings):
        objective: Annotated[float, Meta(gt=0, lt=1, description="Share of good requests.")] = 0.999

    BurnSettings.of(objective=5)  # ParameterError: objective is 5; give a number above 0 and below 1, such as 0.999

Values of any type go through `Settings.of` or the constructor, tables of files through `convert`.
``Meta(title=...)`` says in words what a pattern wants, ``Meta(examples=[...])`` what to show where no default helps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeVar, get_args, get_origin

import msgspec

from meshlab.core.declarations import bare, declaration
from meshlab.core.documents import Unreadable, read_bytes, read_toml
from meshlab.core.sanitize import address, plain
from meshlab.core.suggest import nearest, suggest
from meshlab.errors import MeshlabError, ParameterError

__all__ = ["Settings", "convert", "named", "read"]

_S = TypeVar("_S", bound=msgspec.Struct)
_LONGEST_SHOWN: Final = 80
_LARGEST: Final = 1 << 20
_SECRET: Final = re.compile(r"(_env|header_env\..*|token_file|password_file)\Z")
"""Where a secret is found: one that was typed there itself is not repeated."""


class _Checked(msgspec.StructMeta):
    """Makes classes whose constructor checks what it is given, as only `msgspec.convert` does by itself."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> _Checked:
        options = {"frozen": True, "kw_only": True, "forbid_unknown_fields": True, **options}
        return super().__new__(mcs, name, bases, namespace, **options)

    def __call__(cls: type[_S], **values: object) -> _S:  # type: ignore[misc]
        names = {field.name: field.encode_name for field in msgspec.structs.fields(cls)}
        return convert(cls, {names.get(name, name): value for name, value in values.items()})


class Settings(msgspec.Struct, metaclass=_Checked):
    """Base of all settings: frozen, by keyword only, unknown names refused, values checked however they are given.

    Checks of several fields together go into ``__post_init__`` and raise `ParameterError`. mypy wants ``kw_only=True``
    of a subclass whose required fields follow optional ones.
    """

    @classmethod
    def of(cls, **values: object) -> Self:
        """Make settings from values, all of them checked.

        Raises
        ------
        ParameterError
            An unknown name, a missing one, a wrong type, or a value out of range.
        """
        return cls(**values)

    def changed(self, **values: object) -> Self:
        """The same settings but for some, all of them checked.

        Raises
        ------
        ParameterError
            As of `of`.
        """
        return type(self)(**{**{name: getattr(self, name) for name in self.__struct_fields__}, **values})


def convert(
    cls: type[_S],
    given: object,
    *,
    what: str = "",
    error: type[MeshlabError] = ParameterError,
    texts: bool = False,
) -> _S:
    """Make settings from a mapping, such as a table of a TOML document or a notebook's parameters.

    Parameters
    ----------
    cls : type
        A struct, usually a `Settings`.
    given : mapping of str to object
        Enum members and numpy's scalars count as the text and numbers that they are.
    what : str
        What is read, for messages: ``[profile.prod] in meshlab.toml``; empty for a notebook's or function's parameters.
    error : type
        What is raised.
    texts : bool
        Whether numbers and flags may be given as text, as they are typed: ``"0.05"``, ``"true"``.

    Raises
    ------
    MeshlabError
        Of the class `error`: what is wrong with which key, and what to give.
    """
    values = _native(given)
    try:
        made = msgspec.convert(values, cls, strict=not texts, dec_hook=_custom)
    except (msgspec.ValidationError, ParameterError, UnicodeError) as fault:
        found = _locate(_Fault("", values, cls, fault), strict=not texts)
    else:
        infinite = next(_infinite(made, cls, ""), None)
        if infinite is None:
            return made
        found = infinite
    raise error(*_words(found, what)) from None


def read(cls: type[_S], path: str | Path, what: str = "settings", **changes: object) -> _S:
    """Make settings from a TOML file.

    Parameters
    ----------
    cls : type
    path : str or Path
        Keys that it leaves out keep their defaults.
    what : str
        What the file holds, for messages.
    **changes : object
        Values that stand above those of the file.

    Raises
    ------
    ParameterError
        The file cannot be read or is no TOML; or as of `convert`.
    """
    shown = plain(str(path))
    try:
        found = read_toml(read_bytes(Path(path).expanduser(), _LARGEST))
    except OSError as error:
        reason = error.strerror or error
        raise ParameterError(f"the {what} {shown} cannot be read: {reason}", "give the path of a TOML file") from None
    except Unreadable as error:
        raise ParameterError(f"the {what} {shown} is no TOML: {error}", "write lines like name = 0.02") from None
    convert(cls, found, what=f"the {what} {shown}")
    return convert(cls, {**found, **changes})


def named(tables: Mapping[str, _S], field: str = "name") -> dict[str, _S]:
    """Tables by their names, with the name of each in a field of it too.

    Raises
    ------
    ParameterError
        A table gives itself another name.
    """
    for name, table in tables.items():
        if getattr(table, field) not in ("", name):
            raise ParameterError(f"{field} of {name} is {getattr(table, field)!r}", "leave it out: its table names it")
    return {name: msgspec.structs.replace(table, **{field: name}) for name, table in tables.items()}


class _Fault(NamedTuple):
    """A value that does not fit, where it stands (``limits.parallel``), its field or type, and what was raised."""

    path: str
    value: Any
    declared: Any
    error: Exception | None

    @property
    def hint(self) -> Any:
        return getattr(self.declared, "type", self.declared)


def _native(value: object) -> object:
    """The value in types that msgspec knows."""
    match value:
        case Mapping():
            return {key: _native(item) for key, item in value.items()}
        case list() | tuple():
            return [_native(item) for item in value]
        case StrEnum():
            return str(value)
    # numpy's scalars, without an import of numpy for those who have none.
    return value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value


def _custom(kind: type, value: object) -> object:
    """What msgspec itself does not read: paths."""
    if kind is Path and isinstance(value, str | Path) and value:
        return Path(value).expanduser()
    raise NotImplementedError


def _parts(fault: _Fault) -> Iterator[_Fault]:
    """The values inside a value, each with its type."""
    path, value, error = fault.path, fault.value, fault.error
    inner = bare(fault.hint)
    arguments, origin = get_args(inner), get_origin(inner)
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
        for field in msgspec.structs.fields(inner):
            name = field.encode_name
            below = f"{path}.{name}" if path else name
            if isinstance(value, Mapping) and name in value:
                yield _Fault(below, value[name], field, error)
            elif isinstance(value, inner):
                yield _Fault(below, getattr(value, field.name), field, error)
    elif isinstance(value, Mapping) and origin in (dict, Mapping):
        for key, item in value.items():
            yield _Fault(path, key, arguments[0], error)
            yield _Fault(f"{path}.{key}", item, arguments[1], error)
    elif isinstance(value, list | tuple) and origin in (list, tuple, Sequence):
        yield from (_Fault(f"{path}[{at}]", item, arguments[0], error) for at, item in enumerate(value))


def _locate(fault: _Fault, *, strict: bool) -> _Fault:
    """The innermost value that does not fit."""
    for part in _parts(fault):
        try:
            msgspec.convert(part.value, part.hint, strict=strict, dec_hook=_custom)
        except (msgspec.ValidationError, ParameterError, UnicodeError) as error:
            return _locate(part._replace(error=error), strict=strict)
    return fault


def _infinite(value: Any, hint: Any, path: str) -> Iterator[_Fault]:
    """The numbers that are none, or without end: msgspec lets them through where there is no range."""
    if isinstance(value, float) and not math.isfinite(value):
        yield _Fault(path, value, hint, None)
    for part in _parts(_Fault(path, value, hint, None)):
        yield from _infinite(part.value, part.hint, part.path)


def _words(fault: _Fault, what: str) -> tuple[str, str]:
    """What is wrong, and what to try."""
    of_what = f"{fault.path} of {what}" if what and fault.path else fault.path or what
    if isinstance(fault.error, ParameterError):
        return f"{of_what}{of_what and ': '}{fault.error.what}", fault.error.hint
    inner, value = bare(fault.hint), fault.value
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct) and isinstance(value, Mapping):
        declared = {field.encode_name: declaration(field) for field in msgspec.structs.fields(inner)}
        for name in value:
            if name not in declared:
                full = plain(f"{fault.path}.{name}" if fault.path else name)
                unknown = f"{of_what} has an unknown key {plain(name)!r}" if what else f"there is no setting {full!r}"
                return unknown, suggest(name, declared)
        for name, setting in declared.items():
            if setting.required and name not in value:
                return f"{of_what} has no {name}" if of_what else f"{name} is not given", setting.example_line
    setting = declaration(fault.declared, fault.path.rpartition(".")[2])
    if value == "" and not setting.choices:
        return f"{of_what} is empty", setting.example_line
    if isinstance(value, str) and _SECRET.search(fault.path):
        return f"{of_what} is not {setting.kind}", setting.remedy
    if isinstance(value, str) and "address" in setting.kind:
        value = address(value)
    shown = str(value).lower() if isinstance(value, bool) else plain(repr(value))
    shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[: _LONGEST_SHOWN - 3]}..."
    if setting.choices:
        near = nearest(value, setting.choices) if isinstance(value, str) else []
        return f"{of_what} is {shown}", f"did you mean {near[0]}?" if near else f"give {setting.kind}"
    if setting.kind == "text" and not what and isinstance(value, bool | int | float):
        hint = f"with papermill write -r {fault.path} {value}: -p turns 1.10 into a number"
        return f"{of_what} is the {type(value).__name__} {shown}, not text", hint
    return f"{of_what} is {shown}{'' if setting.is_kind(value) else f', not {setting.kind}'}", setting.remedy
