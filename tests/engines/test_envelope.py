"""What stores say when they say no, in their own words, and what becomes of it."""

from __future__ import annotations

import json

import pytest

from meshlab.engines.envelope import Envelope, open_envelope
from meshlab.errors import BadQuery, EngineError, MeshlabError, Refused, TooMuch, error_named

MIMIR_ADVICE = (
    "Consider reducing the time range and/or number of series selected by the query. One way to reduce the number of "
    "selected series is to add more label matchers to the query. Otherwise, to adjust the related per-tenant limit, "
    "configure -querier.max-fetched-series-per-query, or contact your service administrator."
)
VICTORIA = (
    'error when executing query="sum(rate(container_memory_limit_bytes{job=\\"too many\\"}[5m]))" on the time range '
    "(start=1700000000000, end=1700086400000, step=15000): "
)


def said(kind: str, text: str) -> EngineError:
    body = json.dumps({"status": "error", "errorType": kind, "error": text}).encode()
    with pytest.raises(EngineError) as caught:
        open_envelope(body, Envelope[object], "the store")
    return caught.value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        # Prometheus
        ("execution", "query processing would load too many samples into memory in query execution"),
        (
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
            "resolution (?step=XX)",
        ),
        ("timeout", "query timed out in expression evaluation"),
        ("timeout", "query timed out in query execution"),
        ("execution", "expanding series: context deadline exceeded"),
        # Thanos
        (
            "execution",
            "expanding series: proxy Series(): rpc error: code = Aborted desc = receive series from Addr: store:10901 "
            'LabelSets: {replica="1"} MinTime: 1 MaxTime: 2: rpc error: code = ResourceExhausted '
            "desc = exceeded series "
            "limit: rpc error: code = ResourceExhausted desc = limit 10 violated (got 11)",
        ),
        (
            "execution",
            "expanded matching posting: exceeded bytes limit while fetching postings: limit 1 violated (got 8)",
        ),
        ("execution", "fetch series for block 01H: exceeded chunks limit: limit 2000000 violated (got 2000033)"),
        (
            "execution",
            "fetch series: rpc error: code = ResourceExhausted desc = grpc: received message larger than max",
        ),
        # Cortex, Amazon
        ("execution", "expanding series: the query hit the max number of series limit (limit: 100000 series)"),
        (
            "execution",
            "the query hit the max number of chunks limit while fetching chunks from ingesters (limit: 2000000)",
        ),
        ("execution", "the query hit the aggregated chunks size limit (limit: 1048576 bytes)"),
        ("bad_data", "the query time range exceeds the limit (query length: 744h0m0s, limit: 720h0m0s)"),
        # Mimir
        (
            "execution",
            "the query exceeded the maximum number of series (limit: 100000 series) (err-mimir-max-series-per-query). "
            + MIMIR_ADVICE,
        ),
        (
            "execution",
            "expanding series: the query exceeded the maximum number of chunks (limit: 2000000 chunks) "
            "(err-mimir-max-chunks-per-query). " + MIMIR_ADVICE,
        ),
        (
            "execution",
            "the query exceeded the aggregated chunks size limit (limit: 1000 bytes) "
            "(err-mimir-max-chunks-bytes-per-query)",
        ),
        (
            "execution",
            "the query exceeded the maximum allowed estimated amount of memory consumed by a single query (limit: 11 "
            "bytes) (err-mimir-max-estimated-memory-consumption-per-query)",
        ),
        (
            "bad_data",
            "the total query time range exceeds the limit (query length: 800h0m0s, limit: 768h0m0s) "
            "(err-mimir-max-total-query-length)",
        ),
        # VictoriaMetrics
        (
            "422",
            VICTORIA
            + "cannot select more than -search.maxSamplesPerQuery=1000000000 samples; possible solutions: increase "
            "the -search.maxSamplesPerQuery; reduce time range for the query; use more specific "
            "label filters in order to "
            "select fewer series",
        ),
        (
            "422",
            VICTORIA + "error when searching for metricIDs in the current indexdb: the number of matching timeseries "
            "exceeds 300000; either narrow down the search or increase -search.max* command-line "
            "flag values at vmselect",
        ),
        ("422", "the number of unique timeseries exceeds 30000; either narrow down the search or increase the flag"),
        (
            "422",
            VICTORIA + "too many points for the given start=1700000000000, end=1700086400000 and step=300: 840961; the "
            "maximum number of points is 30000; (see -search.maxPointsPerTimeseries command-line flag)",
        ),
        (
            "422",
            "not enough memory for processing 5000000 data points across 500 time series with 10000 "
            "points in each time "
            "series; total available memory for concurrent requests: 100 bytes; requested memory: 200 bytes; possible "
            "solutions are: reducing the number of matching time series; increasing `step` query arg",
        ),
        ("422", "cannot process more than -search.maxSamplesPerSeries=30000000 samples per series"),
        ("422", "timeout exceeded during query execution: 30.000 seconds (-search.maxQueryDuration)"),
        ("503", "cannot execute query in 5s: deadline exceeded; increase -search.maxQueryDuration"),
        # M3
        ("internal", "query exceeded limit: require_exhaustive=true, series_limit=100, docs_limit=0"),
    ],
)
def test_a_query_over_a_limit_of_the_store_is_too_much(kind: str, text: str) -> None:
    error = said(kind, text)
    assert type(error) is TooMuch, error
    assert "ask for less at once" in error.hint
    assert str(error).startswith(f"the store refused the query ({kind}): ")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (
            "too_many_requests",
            "the request has been rejected because the tenant exceeded the request rate limit, set "
            "to 1 requests/s across "
            "all distributors with a maximum allowed burst of 2 (err-mimir-tenant-max-request-rate)",
        ),
        ("429", "too many outstanding requests"),
        (
            "503",
            "couldn't start executing the request in 10.000 seconds, since -search.maxConcurrentRequests=16 concurrent "
            "requests are executed. Possible solutions: to reduce query load; to increase -search.maxQueueDuration",
        ),
        ("422", "too long query; got 20000 bytes; mustn't exceed `-search.maxQueryLen=16384` bytes"),
        (
            "bad_data",
            "the raw query size in bytes exceeds the limit (query size: 9, limit: 8) "
            "(err-mimir-max-query-expression-size-bytes)",
        ),
        ("execution", "the request has been blocked by the cluster administrator, limit (err-mimir-query-blocked)"),
        ("canceled", "query was canceled in query execution"),
        ("internal", "disk on fire"),
        ("unavailable", "TSDB not ready"),
    ],
)
def test_smaller_pieces_do_not_help_against_every_no(kind: str, text: str) -> None:
    assert type(said(kind, text)) is Refused


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("bad_data", 'invalid parameter "query": 1:8: parse error: unexpected identifier "limitk"'),
        ("bad_data", "1:3: parse error: too many arguments, at most one"),
        ("execution", "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"),
        (
            "execution",
            'found duplicate series for the match group {pod="a"} on the right hand-side of the operation: '
            '[{__name__="container_spec_memory_limit_bytes", pod="a"}, {__name__="too_many_maximum", pod="a"}]'
            ";many-to-many matching not allowed: matching labels must be unique on one side",
        ),
        ("422", 'error when executing query="rate(exceeded_limit_total" for (time=1, step=300): cannot parse "rate("'),
        ("422", VICTORIA + "unknown func `limitk_max`"),
    ],
)
def test_a_wrong_query_that_speaks_of_limits_is_wrong_all_the_same(kind: str, text: str) -> None:
    assert type(said(kind, text)) is BadQuery


def test_too_much_is_a_refusal() -> None:
    assert issubclass(TooMuch, Refused)
    assert TooMuch.exit_code == Refused.exit_code == MeshlabError.exit_code
    assert error_named("TooMuch") is TooMuch


def test_of_a_long_error_both_ends_are_shown() -> None:
    error = said("422", "the beginning " + "x" * 100_000 + " the cause")
    assert "the beginning" in str(error)
    assert str(error.what).endswith("the cause")
    assert len(str(error)) < 1000


def test_the_beginning_and_the_end_of_a_long_error_tell_its_type() -> None:
    assert type(said("422", "x" * 100_000 + " cannot select more than -search.maxSamplesPerQuery=1 samples")) is TooMuch
    assert type(said("execution", "query processing would load too many samples " + "x" * 100_000)) is TooMuch


def test_a_store_that_is_down_is_not_the_querys_fault() -> None:
    text = (
        'expanding series: proxy Series(): rpc error: code = Aborted desc = fetch series for {cluster="west"} '
        "Addr: 10.1.2.3:10901: rpc error: code = Unavailable desc = connection error: connection refused"
    )
    error = said("execution", text)
    assert type(error) is Refused
    assert "correct the query" not in error.hint
    assert "a part of the store" in error.what
