"""The codes of the retry question: what each finding says, what causes it, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshlab.questions.base import Code

__all__ = ["CODES"]

CODES: Final[Mapping[str, Code]] = {
    "001": Code(
        "the state, its reasons in numbers, and the probability of a storm (required)",
        "retries of a service that cannot serve them: each failure makes more load",
        "cut retries or load now; then set a budget",
    ),
    "002": Code(
        "what attempts are known from on how many edges; counters at zero while more arrives than was requested",
        "Istio's default; an inclusion pattern that does not match names beginning with `cluster.`",
        "the annotation above, as regular expressions",
    ),
    "003": Code(
        "success counts of source and destination agree within 5 % on every edge",
        "a scrape is missing, a source is outside the mesh, requests are mirrored",
        "trust other edges; look at `unexplained` in the table",
    ),
    "004": Code(
        "the origin: the deepest edge whose requests fail, and since when",
        "what the finding names: lower throughput, more load, injected faults",
        "look at the service at its end",
    ),
    "005": Code(
        "the edges that amplify, from the origin upwards",
        "retries at several layers",
        "retry at one of these hops only",
    ),
    "006": Code(
        "amplification end to end on the most amplified path, and the configured worst case",
        "the product over the hops",
        "the same",
    ),
    "007": Code(
        "retries and the requests that they saved; less than one in ten at 1.5 attempts and more is futile",
        "retries of what fails for all",
        "bound them",
    ),
    "008": Code(
        "retries that were refused, requests that a breaker refused, requests that used up their retries",
        "budgets and limits; the flag UO stands for both refusals",
        "a budget, where only the number of attempts bounds them",
    ),
    "009": Code("timeouts of tries and of requests, failed connections"),
    "010": Code(
        "breakers that stood open and hosts that were ejected, at how many scrapes; what was shed, and whether the "
        "destination did better for it",
        "an open breaker is at its limit now; trips between scrapes are not seen, but what it refused is counted",
        "where it got worse: look at its limits",
    ),
    "011": Code(
        "whether the policy in force recovers after this trigger under this load, how many of 13 others do, and the "
        "gentlest that does",
        "retries at several layers without a bound",
        "the proposal; NOT_MEASURED says why the simulator refuses",
    ),
    "012": Code(
        "how long it takes when retries are switched off now, and how much of the load may stay when they are not",
        "",
        "retries off first: it sheds no request",
    ),
    "013": Code(
        "what the linter finds in `routes_file`",
        "[the flaws](retry-what-if.md#the-linter)",
        "each flaw's own; without the file it is not measured: no telemetry exports the configuration",
    ),
    "014": Code(
        "of a service that was seen saturated: what it takes in, and whether its usual load would saturate it if each "
        "request used all its attempts",
        "capacity / W < load <= capacity, with W attempts per request at the top",
        "bound the retries, or add capacity; without `attempts` W is what was observed",
    ),
    "015": Code(
        "requests that reached no server, one in a hundred and more on an edge (required; only where there are such)",
        "no healthy host, refused connections, a route or subset that is gone",
        "look at ejections, readiness and routes of the called service",
    ),
}
