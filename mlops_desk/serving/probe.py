"""Asking a replica whether it is well, and whether it still answers its own example as it did at first."""

from http import HTTPStatus
from pathlib import Path

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import LINE_LIMIT, plain
from mlops_desk.serving.gateway.outbound.pool import NotConnected
from mlops_desk.serving.gateway.outbound.question import Lost, Question, Reply
from mlops_desk.serving.gateway.outbound.sync_request import ask_at_once
from mlops_desk.serving.records.own_image import GoldenRequest
from mlops_desk.serving.runtimes import golden

INVOCATIONS = "/invocations"
EXAMPLE_FAILED = "The model did not answer the example that was saved with it"
PING = "/ping"
_PING_SECONDS = 2.0  # chosen: whoever does not answer a ping by then is asked again
_EXAMPLE_SECONDS = 60.0  # chosen: a first answer may compile kernels and load weights
_ANSWER_LIMIT_BYTES = 4 << 20  # chosen: an answer to a few rows
_BUSY = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_KEPT = "golden_answer"


def answers(address: str, path: str = PING) -> bool:
    """Tell whether what serves at ``address`` says it is well."""
    return health(address, path) == HTTPStatus.OK


def health(address: str, path: str = PING) -> int | None:
    """Return the status with which what serves at ``address`` answers a ping; None when it does not."""
    question = Question(b"GET", path.encode("ascii"), b"", b"application/json")
    try:
        return ask_at_once(address, question, _PING_SECONDS, _ANSWER_LIMIT_BYTES).status
    except (NotConnected, Lost):
        return None


def first_answer(place: Path, address: str, example: GoldenRequest, *, is_compared: bool = True) -> Reason | None:
    """Try the example of a revision that has just been started; return why it can't go live, None where it can.

    What it answers at its first start is kept in ``place``, and compared at every later one. A model that answers
    twice in two ways (one that draws lots) is never compared. Raises OSError.
    """
    reply = _asked(address, example)
    if isinstance(reply, str):
        return Reason("example_failed", f"{EXAMPLE_FAILED}: {reply}.")
    if reply.status != HTTPStatus.OK:
        said = plain(reply.body.decode("utf-8", "replace"), LINE_LIMIT)
        return Reason("example_failed", f"{EXAMPLE_FAILED}: status {reply.status}.", said)
    kept = place / _KEPT
    if kept.is_file():
        return None if not is_compared else _compared(kept.read_bytes(), reply.body, example)
    again = _asked(address, example)
    varies = isinstance(again, str) or golden.difference(reply.body, again.body, example.compared) is not None
    kept.write_bytes(b"" if varies else reply.body)
    return None


def later_answer(place: Path, address: str, example: GoldenRequest) -> Reason | None:
    """Return how a replica that runs answers its example wrongly; None where it does not, or is only busy."""
    try:
        expected = (place / _KEPT).read_bytes()
    except OSError:
        return None  # an older agent has started it, and kept no answer
    reply = _asked(address, example)
    if not expected or isinstance(reply, str) or reply.status in _BUSY:
        return None
    if reply.status != HTTPStatus.OK:
        return Reason("answer_differs", f"The model answers its own example with status {reply.status} now.")
    return _compared(expected, reply.body, example)


def _compared(expected: bytes, found: bytes, example: GoldenRequest) -> Reason | None:
    told = golden.difference(expected, found, example.compared) if expected else None
    if told is None:
        return None
    text = f"The model does not answer its own example as it did when it was deployed: {told}."
    hint = Hint("mlops-desk settings set serving.compare_answers off", before="Where answers depend on the day, say: ")
    return Reason("answer_differs", text, None, hint)


def _asked(address: str, example: GoldenRequest) -> Reply | str:
    try:
        question = Question(b"POST", example.path.encode("ascii"), example.body, b"application/json")
        return ask_at_once(address, question, _EXAMPLE_SECONDS, _ANSWER_LIMIT_BYTES)
    except (NotConnected, Lost) as error:
        return str(error)
