"""The envelope around every answer of a Prometheus API: what it holds, and what it says when it says no."""

from __future__ import annotations

import re
from typing import Final, Generic, TypeVar

import msgspec

from meshlab.errors import BadQuery, Refused
from meshlab.escape import plain

__all__ = ["Envelope", "open_envelope"]

T = TypeVar("T")
_QUERY_AT_FAULT: Final = ("bad_data", "execution", "400", "422")
"""Kinds of error: Prometheus's words, and the status numbers that VictoriaMetrics writes in their place."""
_LIMIT: Final = re.compile(r"too many|too long|limit|exceed|maximum", re.IGNORECASE)


class Envelope(msgspec.Struct, Generic[T]):
    """An answer as JSON.

    Parameters
    ----------
    status : str
        ``success`` or ``error``.
    data : T or None
        None in an error.
    errorType, error : str
    warnings, infos : list of str or None
    """

    status: str
    data: T | None = None
    errorType: str = ""  # noqa: N815  (the name in the JSON)
    error: str = ""
    warnings: list[str] | None = None
    infos: list[str] | None = None


def open_envelope(body: bytes, envelope: type[Envelope[T]], origin: str) -> tuple[T, Envelope[T]]:
    """Open the envelope.

    Parameters
    ----------
    body : bytes
        JSON text.
    envelope : type
        Such as ``Envelope[list[str]]``: what the data is.
    origin : str
        Who answered, for messages.

    Returns
    -------
    data, envelope

    Raises
    ------
    Refused
        It is not the JSON of a Prometheus API, it is cut off, or it reports a limit or an error of the server.
    BadQuery
        It reports an error of the query.
    """
    try:
        answer = msgspec.json.decode(body, type=envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _stranger(body, origin) from None
    if answer.status == "success" and answer.data is not None:
        return answer.data, answer
    if answer.status != "error":
        raise _stranger(body, origin)
    said = f"{origin} refused the query ({plain(answer.errorType or 'error')}): {plain(answer.error)}"
    over_limit = _LIMIT.search(answer.error) and "parse error" not in answer.error
    if answer.errorType in _QUERY_AT_FAULT and not over_limit:
        raise BadQuery(said, "correct the query")
    raise Refused(said, "try again, or ask for less at once: a shorter window, a longer step, fewer series")


def _stranger(body: bytes, origin: str) -> Refused:
    text = plain(body[:80].decode("utf-8", "replace")).strip()
    return Refused(
        f"{origin} did not answer as Prometheus does: it sent {repr(text) if text else 'nothing'}",
        "check that it is the address of a Prometheus-compatible API, and that nothing in between cuts answers off",
    )
