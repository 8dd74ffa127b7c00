"""What is recorded of each endpoint (``NAME``) and of each of its revisions that is up (``NAME/REVISION``).

A point is of ten seconds, or of a minute where there are many endpoints (``meters.py``). All curves of one that
is asked all day take 2.5 MB in the 30 days of full rate, and 16 MB in a year of minutes.
"""

from mlops_desk.machine.records.metric import BYTES, SECONDS, Metric

ENDPOINT = "endpoint"

_A_SECOND = (1e-3, 0.0, 1e9)  # one request in a minute is 0.017 a second
_CORES = (1e-2, 0.0, 4096.0)  # in cores; no machine has more
_REQUESTS = (1.0, 0.0, 1e9)  # they are counted

RECORDED: tuple[Metric, ...] = (
    Metric("endpoint.requests", ENDPOINT, "1/s", "rate", *_A_SECOND, "Requests answered a second.",
           title="rate of requests"),
    Metric("endpoint.errors", ENDPOINT, "1/s", "rate", *_A_SECOND,
           "Requests a second answered with an error (status 400 or above).",
           title="rate of errors"),
    Metric("endpoint.errors.4xx", ENDPOINT, "1/s", "rate", *_A_SECOND,
           "Requests a second that were wrong (status 400 to 499); absent until there was one.",
           title="rate of wrong requests (4xx)"),
    Metric("endpoint.errors.5xx", ENDPOINT, "1/s", "rate", *_A_SECOND,
           "Requests a second that the model or the gateway failed at (500 and above, without timeouts); absent until "
           "there was one.",
           title="rate of failures (5xx)"),
    Metric("endpoint.errors.timeout", ENDPOINT, "1/s", "rate", *_A_SECOND,
           "Requests a second that were not answered in time (504); absent until there was one.",
           title="rate of requests that took too long (504)"),
    Metric("endpoint.latency.p50", ENDPOINT, "s", "gauge", *SECONDS,
           "Half of the requests took less; absent when there was none.",
           title="median latency"),
    Metric("endpoint.latency.p95", ENDPOINT, "s", "gauge", *SECONDS,
           "19 of 20 requests took less; absent when there was none.",
           title="95th percentile of latency"),
    Metric("endpoint.latency.p99", ENDPOINT, "s", "gauge", *SECONDS,
           "99 of 100 requests took less; absent when there was none.",
           title="99th percentile of latency"),
    Metric("endpoint.queue", ENDPOINT, "1", "gauge", *_REQUESTS,
           "The most requests that were seen waiting for a place at a replica.",
           title="number of waiting requests"),
    Metric("endpoint.cpu", ENDPOINT, "1", "gauge", *_CORES,
           "CPU cores that the containers take; absent where the kernel does not count them apart.",
           title="number of CPU cores taken"),
    Metric("endpoint.memory", ENDPOINT, "By", "gauge", *BYTES,
           "Memory of the containers that the kernel can't take back.",
           title="memory taken"),
    Metric("endpoint.gpu.memory", ENDPOINT, "By", "gauge", *BYTES,
           "GPU memory that the containers' processes hold; absent without any.",
           title="GPU memory taken"),
    Metric("endpoint.shadow.requests", ENDPOINT, "1/s", "rate", *_A_SECOND,
           "Copies of requests a second that a shadow (NAME/REVISION) answered; none of the endpoint's requests.",
           title="rate of copied requests"),
    Metric("endpoint.shadow.errors", ENDPOINT, "1/s", "rate", *_A_SECOND,
           "Copies a second that a shadow answered with an error, or not at all.",
           title="rate of errors on copied requests"),
    Metric("endpoint.shadow.latency.p50", ENDPOINT, "s", "gauge", *SECONDS,
           "Half of the copies took a shadow less; absent when there was none.",
           title="median latency on copied requests"),
    Metric("endpoint.shadow.latency.p95", ENDPOINT, "s", "gauge", *SECONDS,
           "19 of 20 copies took a shadow less; absent when there was none.",
           title="95th percentile of latency on copied requests"),
    Metric("endpoint.shadow.latency.p99", ENDPOINT, "s", "gauge", *SECONDS,
           "99 of 100 copies took a shadow less; absent when there was none.",
           title="99th percentile of latency on copied requests"),
)  # fmt: skip
