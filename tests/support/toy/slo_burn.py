"""A question from outside of the package: how fast is the error budget burning, in its simplest form?"""

from collections.abc import Iterator
from typing import Annotated

import pandas as pd
from msgspec import Meta

from meshlab.core.subject import IDENTITY
from meshlab.display.line import Line
from meshlab.questions.base import Case, Code, Finding, Need, Question, QuestionSettings, Table, Verdict
from meshlab.telemetry.dialects.base import Reporter


class SloBurnSettings(QuestionSettings):
    """Of the toy."""

    namespace: Annotated[str, Meta(description="of the service; empty: any")] = ""
    service: Annotated[str, Meta(description="canonical service, host or workload")] = ""
    block_s: Annotated[int, Meta(ge=0, le=3600, description="length of a time block, seconds")] = 30
    objective: Annotated[float, Meta(gt=0, lt=1, description="share of good requests, 0 to 1")] = 0.999
    fast: Annotated[float, Meta(gt=1, description="burn rate that pages, times the budget")] = 14.4


class SloBurn(Question):
    """How fast is the error budget burning?"""

    name, prefix = "slo-burn", "ML-TOY"
    Settings = SloBurnSettings
    needs = {
        "requests": Need(
            ask="request_counts",
            by=(*IDENTITY, "code"),
            reporter=Reporter.SOURCE,
            required=True,
            what="requests as the callers' proxies count them",
            remedy="source",
        )
    }
    codes = {"001": Code("how fast the error budget burns", "errors", "roll back what changed last")}
    tables = {
        "burn": Table(time="time: end of a block", short="float: times the budget", whole="float: times the budget")
    }
    figures = (Line("burn", y=("short", "whole"), unit="times the budget"),)
    examples = {"source": "canary-regression", "service": "catalog"}

    def judge(self, case: Case) -> Iterator[Finding]:
        """Say how many times the budget burns."""
        frame, settings = case.frame("requests"), case.settings
        bad = frame.assign(bad=frame["count"].where(frame["code"].str.startswith("5"), 0))
        sums = bad.groupby("time", observed=True)[["bad", "count"]].sum()
        short = sums["bad"] / sums["count"] / (1 - settings.objective)
        whole = sums["bad"].cumsum() / sums["count"].cumsum() / (1 - settings.objective)
        case.tables["burn"] = pd.DataFrame({"short": short, "whole": whole}).reset_index()
        rate = float(whole.iloc[-1])
        verdict = Verdict.FAIL if rate >= settings.fast else Verdict.WARN if rate >= 1 else Verdict.PASS
        text = f"The error budget burns at {rate:.3g} times the sustainable rate."
        burning = {"value": rate, "threshold": settings.fast, "unit": "times the budget"}
        yield case.finding("001", f"burn.{verdict.lower()}", verdict, text, required=True, query="requests", **burning)
