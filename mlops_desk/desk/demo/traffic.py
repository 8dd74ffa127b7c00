"""What the demo's endpoints answer: rates, latencies, errors and logged requests that follow from the time alone. Pure.

So a second start of the demo tells the same past. By day there is more than at night, and now and then a burst comes
in which some are not answered in time.
"""

import json
import math
from collections.abc import Iterator

from mlops_desk.machine.telemetry.simulation.workloads import rhythm
from mlops_desk.serving.meters import figures_of
from mlops_desk.serving.records.endpoint import Endpoint, LatencyPercentiles, Traffic
from mlops_desk.serving.records.request import LoggedRequest
from mlops_desk.serving.records.test_request import Tried

_DAILY = 0.5  # chosen: by day three times what is asked at night
_P99_TIMES = 3.4  # chosen: of the median, as a small model behind a queue has it
_BURST_SECONDS, _BURST_EVERY = 120.0, 5400.0  # chosen: seen in an hour's curves
_WRONG_SHARE, _FAILED_SHARE, _LATE_SHARE = 0.004, 0.012, 0.006  # chosen: of the requests, the last two in a burst
_EVERY_SECONDS = 1.7  # chosen: a request that is logged of many
_MEBIBYTE = 1 << 20  # what it is
_COLUMNS = ("tenure_months", "monthly_charge", "support_calls")


def is_burst(at: float) -> bool:
    """Tell whether more is asked than is answered well."""
    return at % _BURST_EVERY < _BURST_SECONDS


def load_of(usual: float, at: float, seconds: float, before: int) -> Traffic:
    """Return the load at a time, of an endpoint with a usual rate; ``before`` requests came before ``seconds``."""
    rate = usual * (1.0 + _DAILY * rhythm(at)) * (1.0 + 0.2 * math.sin(at / 47.0) + 0.1 * math.sin(at / 7.0))
    rate *= 1.6 if is_burst(at) else 1.0
    p50 = (0.011 + 0.004 * (1 + math.sin(at / 31.0))) * (3.0 if is_burst(at) else 1.0)
    errors = rate * sum(_shares(at).values())
    requests = before + round(rate * seconds)
    return Traffic(rate, p50, p50 * 2.6, errors, requests, round(requests * _WRONG_SHARE))


def latency_of(load: Traffic) -> LatencyPercentiles:
    p50 = load.latency_p50_seconds or 0.0
    return LatencyPercentiles(p50, load.latency_p95_seconds, p50 * _P99_TIMES)


def figures(load: Traffic, at: float) -> dict[str, float | None]:
    """Return all that is recorded of an endpoint with a load, by metric."""
    rate = load.requests_per_second
    return {
        **figures_of(load, latency_of(load)),
        **{f"endpoint.errors.{class_}": rate * share for class_, share in _shares(at).items()},
        "endpoint.queue": math.floor(6 * rate / 40.0) if is_burst(at) else 0.0,
        "endpoint.cpu": 0.15 + rate * (load.latency_p50_seconds or 0.0) * 0.8,
        "endpoint.memory": float(round((410 + 30 * math.sin(at / 4000.0)) * _MEBIBYTE)),
    }


def errors_of(usual: float) -> dict[str, int]:
    """Return the errors of a day by class."""
    bursts = 86_400.0 / _BURST_EVERY * _BURST_SECONDS * usual * 1.6
    counts = {"4xx": 86_400 * usual * _WRONG_SHARE, "5xx": bursts * _FAILED_SHARE, "timeout": bursts * _LATE_SHARE}
    return {class_: round(count) for class_, count in counts.items()}


def _shares(at: float) -> dict[str, float]:
    failing = is_burst(at)
    return {"4xx": _WRONG_SHARE, "5xx": _FAILED_SHARE if failing else 0.0, "timeout": _LATE_SHARE if failing else 0.0}


def logged(revision: int, canary: int | None, now: float) -> Iterator[LoggedRequest]:
    """Yield requests of the log, the newest first; every twentieth went to the canary."""
    number = math.floor(now / _EVERY_SECONDS)
    while True:
        at = number * _EVERY_SECONDS
        mix = number * 2_654_435_761 % 1000 / 1000.0  # Knuth's: neighbours are far apart
        answered_by = canary if canary is not None and number % 20 == 0 else revision
        yield _request(number, at, mix, answered_by)
        number -= 1


def tried(endpoint: Endpoint, data: str | None, now: float) -> Tried:
    """Return what an endpoint answers to a request that somebody sends by hand: a chance for each row."""
    request_id = f"{round(now * 1000):016x}"
    try:
        sent = json.loads(data) if data is not None else {"dataframe_records": [{}]}
        if "messages" in sent:
            return _written(endpoint, str(sent["messages"][-1]["content"]), request_id)
        rows = len(sent["dataframe_records"])
        status = 200
        answer: dict[str, object] = {"predictions": [round(0.2 + 0.6 * (now * 7 % 1), 4)] * rows}
    except (ValueError, KeyError, TypeError):
        status = 400
        answer = {"error": "The body is no table: dataframe_records is missing."}
    body = json.dumps(answer)
    return Tried(endpoint.name, status, 0.012, request_id, endpoint.revision, "application/json", body, len(body))


def _written(endpoint: Endpoint, said: str, request_id: str) -> Tried:
    """Return a draft, as a server that speaks OpenAI's chat completions words it."""
    draft = f"Thank you for writing to us. You say: {said[:200]!r}. I have passed it on, and write again today."
    message = {"role": "assistant", "content": draft}
    body = json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": message}]})
    return Tried(endpoint.name, 200, 0.64, request_id, endpoint.revision, "application/json", body, len(body))


def _request(number: int, at: float, mix: float, revision: int) -> LoggedRequest:
    status = 422 if mix < _WRONG_SHARE else 504 if is_burst(at) and mix > 0.99 else 200
    took = 30.0 if status == 504 else 0.008 + 0.03 * mix**4
    inputs = dict(zip(_COLUMNS, (round(72 * mix), round(20 + 95 * mix, 2), number % 5), strict=True))
    outputs = {"churn": round(0.03 + 0.9 * mix**3, 4)} if status == 200 else {}
    answer = None if outputs else "No answer within 30 s." if took >= 1.0 else "tenure_months is missing."
    return LoggedRequest(f"{number:016x}", 0, at, revision, status, took, inputs=inputs, outputs=outputs, answer=answer)
