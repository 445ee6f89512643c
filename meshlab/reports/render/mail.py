"""A report as a mail: what clients show without a style sheet, a picture or a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from meshlab.core.results import INKS, SHAPES
from meshlab.display import templates
from meshlab.display.finding import ranked
from meshlab.display.numbers import plural
from meshlab.reports.render.message import about, changes, facts, to_do
from meshlab.reports.waivers.waiving import count_line, in_words, notes

__all__ = ["LIMIT_BYTES", "mail"]

LIMIT_BYTES: Final = 90_000
"""Mail services cut what is longer, and the verdict's reasons with it."""

_NOTES: Final = 20


def mail(result: Mapping[str, Any], *, before: Mapping[str, Any] | None) -> str:
    """The report as one HTML text with inline styles, under `LIMIT_BYTES`.

    Parameters
    ----------
    result, before
        As of `meshlab.reports.render.message.message`.

    Returns
    -------
    str
        The word (with that without waivers), the headline, what to do, what changed, what is waived, the findings (the
        worst first), window and source. Findings that do not fit are counted.
    """
    word, findings = str(result["verdict"]), ranked(result)
    values = {
        "result": result,
        "word": word,
        "ink": INKS[word],
        "shape": SHAPES[word],
        "about": about(result),
        "without": in_words(result),
        "texts": [*to_do(result), "; ".join(changes(result, before)), count_line(result), *notes(result)[:_NOTES]],
        "facts": " · ".join(facts(result)),
    }
    count = len(findings)
    while True:
        rest = len(findings) - count
        more = f"The report has {plural(rest, 'more finding')}." if rest else ""
        text = templates.render("mail.html.j2", package=__package__, **values, findings=findings[:count], more=more)
        size = len(text.encode())
        if size < LIMIT_BYTES or not count:
            return text
        count = min(count - 1, count * LIMIT_BYTES // size)
