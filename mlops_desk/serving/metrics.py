"""What is recorded of each endpoint, a point a minute: how much went through it and how long it took."""

from mlops_desk.records.metric import SECONDS, Metric

ENDPOINT = "endpoint"

_A_SECOND = (1e-3, 0.0, 1e9)  # one request in a minute is 0.017 a second

RECORDED: tuple[Metric, ...] = (
    Metric("endpoint.requests", ENDPOINT, "1/s", "rate", *_A_SECOND, "Requests answered a second, over a minute."),
    Metric("endpoint.errors", ENDPOINT, "1/s", "rate", *_A_SECOND,
           "Requests a second answered with an error (status 400 or above), over a minute."),
    Metric("endpoint.latency.p50", ENDPOINT, "s", "gauge", *SECONDS,
           "Half of a minute's requests took less; absent when there was none."),
    Metric("endpoint.latency.p95", ENDPOINT, "s", "gauge", *SECONDS,
           "19 of 20 of a minute's requests took less; absent when there was none."),
    Metric("endpoint.latency.p99", ENDPOINT, "s", "gauge", *SECONDS,
           "99 of 100 of a minute's requests took less; absent when there was none."),
)  # fmt: skip
