"""Logged traffic against a kept revision that gets none: its answers and latencies beside those that are logged."""

import time
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus

from mlops_desk.base.errors import Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.base.settings import SettingsStore
from mlops_desk.records.serving.asking import ReplayDifference, Replayed
from mlops_desk.records.serving.request import LoggedRequest
from mlops_desk.serving.asking.aside import AsideContainers
from mlops_desk.serving.asking.logged import Likeness, LoggedCall, calls_of, compared, figures
from mlops_desk.serving.gateway.outbound.asking import ask_at_once
from mlops_desk.serving.gateway.outbound.dialing import NotConnected
from mlops_desk.serving.gateway.outbound.question import Lost, Question, Reply
from mlops_desk.serving.gateway.request_log.outputs import outputs_of
from mlops_desk.serving.image.model_files import read_model
from mlops_desk.serving.revision import Failed, Revision, Shelf
from mlops_desk.serving.work import BesideWork
from mlops_desk.storage.request_log.query import RequestQuery

MOST = 5000
"""Chosen: at twenty a second it takes four minutes, and shows a difference in one of a thousand."""
_ROWS = 10_000  # chosen: as many as any list gives
_FASTEST = 1000.0  # chosen: more than one asks a model for, one after the other
_SECONDS = 30.0  # as the gateway gives a model
_ANSWER_BYTES = 64 << 20  # as the gateway takes of an answer
_WORST = 20  # chosen: a screen

Find = Callable[[str, RequestQuery], list[LoggedRequest]]


class Replays:
    """``find`` returns logged rows of an endpoint."""

    def __init__(self, shelf: Shelf, settings: SettingsStore, asides: AsideContainers, find: Find) -> None:
        self._shelf = shelf
        self._settings = settings
        self._asides = asides
        self._find = find

    def replay(
        self, name: str, number: int, since: float | None, limit: int, rate: float, work: BesideWork
    ) -> Replayed:
        """Send logged requests again, in their order. Raises Invalid, NotFound, Refused, TimedOut, Unavailable."""
        if not 1 <= limit <= MOST:
            raise Invalid(f"{limit:,} requests can't be replayed.", f"1 to {MOST:,} can.")
        if not 0.0 < rate <= _FASTEST:
            raise Invalid(f"{rate:g} requests a second can't be sent.", f"Take more than 0, and at most {_FASTEST:g}.")
        revision = self._revision(name, number)
        work.tell("Reading the log.")
        calls = calls_of(self._find(name, RequestQuery(_ROWS, since or 0.0)), revision.features, limit)
        if not calls:
            hint = Hint(f"mlops-desk endpoints requests {name}", after=" lists what is logged.")
            raise NotFound(f"The log of endpoint {name} has no requests of that time.", hint)
        seconds = self._settings.number("serving.start_timeout_seconds")
        work.tell(f"Starting revision {number} beside the traffic.")
        try:
            model, gpus = read_model(self._shelf.place(name, number) / "model").folder, revision.gpus
            with self._asides.serving(revision.image or "", model, seconds, work, gpus) as address:
                return self._sent(revision, calls, address, rate, work)
        except Failed as failure:  # all GPUs are somebody's, and one of them ends
            raise Unavailable(failure.reason.text, failure.reason.hint) from failure
        except OSError as error:
            raise Unavailable(f"The replay can't be made ready: {error}.") from error

    def _revision(self, name: str, number: int) -> Revision:
        revision = self._shelf.read(name, number)
        if revision is None or revision.image is None or not self._shelf.has_files(name, number):
            hint = Hint(f"mlops-desk endpoints show {name}", after=" lists those that are kept.")
            raise Refused(f"Revision {number} of endpoint {name} is not kept, so nothing can be sent to it.", hint)
        if revision.served is not None:
            text = f"Revision {number} of endpoint {name} is served by an image itself, which is not started beside it."
            raise Refused(text, "Let it be a shadow: it gets copies of requests, and its answers are logged.")
        return revision

    def _sent(
        self, revision: Revision, calls: list[LoggedCall], address: str, rate: float, work: BesideWork
    ) -> Replayed:
        began = time.monotonic()
        found: Counter[Likeness] = Counter()
        errors: Counter[str] = Counter()
        taken, logged = [], []
        worst: list[ReplayDifference] = []
        sent = [(call, call.body) for call in calls if call.body is not None]
        for index, (call, body) in enumerate(sent):
            work.tell("Sending logged requests.", index, len(sent))
            work.wait(max(0.0, began + index / rate - time.monotonic()))
            at = time.monotonic()
            reply = _asked(address, body)
            taken.append(time.monotonic() - at)
            logged.append(call.rows[0].latency_seconds)
            if reply is None or reply.status != HTTPStatus.OK:
                errors["lost" if reply is None else str(reply.status)] += 1
                if call.is_error and reply is not None and reply.status == call.rows[0].status:
                    found[Likeness.SAME] += 1
                continue
            likeness, told = _compared(call, reply)
            found[likeness] += 1
            worst = sorted([*worst, *told], key=_severity)[:_WORST]
        return Replayed(
            endpoint=revision.endpoint, revision=revision.number, requests=len(sent), skipped=len(calls) - len(sent),
            same=found[Likeness.SAME], close=found[Likeness.CLOSE], different=found[Likeness.DIFFERENT],
            errors=dict(errors), logged_latency=figures(logged), latency=figures(taken), worst=tuple(worst),
            seconds=time.monotonic() - began,
        )  # fmt: skip


def _compared(call: LoggedCall, reply: Reply) -> tuple[Likeness, list[ReplayDifference]]:
    text = reply.body.decode("utf-8", "replace")
    if call.is_error:
        first = call.rows[0]
        told = ReplayDifference(first.request_id, 0, "", f"status {first.status}", f"status {reply.status}")
        return Likeness.DIFFERENT, [told]
    return compared(call, outputs_of(text, len(call.rows)), text)


def _severity(one: ReplayDifference) -> tuple[bool, float]:
    """Return what sorts other labels and shapes first, then the numbers that are furthest apart."""
    return one.gap is not None, -(one.gap or 0.0)


def _asked(address: str, body: bytes) -> Reply | None:
    try:
        question = Question(b"POST", b"/invocations", body, b"application/json")
        return ask_at_once(address, question, _SECONDS, _ANSWER_BYTES)
    except (NotConnected, Lost):
        return None
