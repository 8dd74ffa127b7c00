"""Trying, replaying, exporting, comparing and weighing: one object that holds them, and what each needs.

One request through the gateway by hand: the agent sends it on its owner's behalf, so it needs none of the tokens.

Logged traffic against a kept revision that gets none: its answers and latencies beside those that are logged.
"""

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_desk.engines.engine import Engine
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.request_log.query import RequestQuery
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.serving.background_tasks import BesideWork, WorkBook
from mlops_desk.serving.experiments.version_scorer import VersionScoring, VersionWeighing
from mlops_desk.serving.export.export_task import Exports
from mlops_desk.serving.gateway.outbound.pool import NotConnected
from mlops_desk.serving.gateway.outbound.question import Lost, Question, Reply
from mlops_desk.serving.gateway.outbound.sync_request import ask_at_once
from mlops_desk.serving.gateway.process_control import GatewayState
from mlops_desk.serving.gateway.request_log.rollup import outputs_of
from mlops_desk.serving.image.maker import Maker
from mlops_desk.serving.image.model_files import read_model
from mlops_desk.serving.images import EndpointImages
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.records.request import LoggedRequest
from mlops_desk.serving.records.test_request import LatencyFigures, ReplayDifference, Replayed, Tried
from mlops_desk.serving.revision import Failed, Revision, Shelf
from mlops_desk.serving.runtimes.golden import ABSOLUTE, RELATIVE
from mlops_desk.serving.test_requests import AsideContainers, body_of
from mlops_desk.serving.variants import VariantComparisons

if TYPE_CHECKING:
    import httpx

# Logged requests as they can be sent again, and their answers beside new ones. Pure.
# Numbers may differ a little, as other threads or another processor make them; labels and shapes may not.
_SHOWN = 200  # chosen: a label, or some numbers
_FIRST_ERROR = 400  # RFC 9110, 15: client errors begin here
_MISSING = object()


class Likeness(IntEnum):
    """How alike two answers are, the best first."""

    SAME = 0
    CLOSE = 1
    DIFFERENT = 2


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """A request as it was: its rows in their order, and what can be sent of it again (None: the log lacks some)."""

    rows: tuple[LoggedRequest, ...]
    body: bytes | None

    @property
    def is_error(self) -> bool:
        return self.rows[0].status >= _FIRST_ERROR


def calls_of(rows: Iterable[LoggedRequest], features: Sequence[LoggedFeature], limit: int) -> list[LoggedCall]:
    """Return the newest ``limit`` requests, the oldest first; no shadow's and no tries."""
    found: dict[str, list[LoggedRequest]] = {}
    for row in sorted(rows, key=lambda one: (one.received_at, one.request_id, one.row)):
        if not row.is_shadow and not row.is_try:
            found.setdefault(row.request_id, []).append(row)
    return [LoggedCall(tuple(some), _body_of(some, features)) for some in list(found.values())[-limit:]]


def _body_of(rows: Sequence[LoggedRequest], features: Sequence[LoggedFeature]) -> bytes | None:
    """Return a request of the same rows; None where the log has not all of it, or it was a chat."""
    known = list(dict.fromkeys(name for row in rows for name in row.inputs))
    is_whole = [row.row for row in rows] == list(range(len(rows))) and all(row.inputs for row in rows)
    if not is_whole or "messages" in known or "_extra" in known:
        return None
    names = [feature.name for feature in features if feature.name in known] if features else known
    if not features and names == [str(index) for index in range(len(names))]:
        return json.dumps({"inputs": [[row.inputs.get(name) for name in names] for row in rows]}).encode()
    return json.dumps({"dataframe_records": [{name: row.inputs.get(name) for name in names} for row in rows]}).encode()


def compared(
    call: LoggedCall, outputs: Sequence[Mapping[str, Any]] | None, answer: str
) -> tuple[Likeness, list[ReplayDifference]]:
    """Compare what was answered with new outputs, one for each row; None where the new answer has no rows."""
    worst, told = Likeness.SAME, []
    for index, row in enumerate(call.rows):
        if row.outputs or outputs is not None:
            now = outputs[index] if outputs is not None else {}
            names = {**row.outputs, **now}
            pairs = [(name, row.outputs.get(name, _MISSING), now.get(name, _MISSING)) for name in names]
        else:
            pairs = [("", row.answer, answer)] if row.answer is not None else []
        for name, before, after in pairs:
            likeness = likeness_of(before, after)
            worst = max(worst, likeness)
            if likeness is not Likeness.SAME:
                gap = _gap(before, after)
                told.append(ReplayDifference(row.request_id, row.row, name, _shown(before), _shown(after), gap))
    return worst, told


def likeness_of(before: Any, after: Any) -> Likeness:
    """Compare two values as the log has them: there an array is text, and a whole number may have become a real one."""
    if isinstance(before, str) and isinstance(after, (list, dict)):
        before = _replay_read(before)
    if isinstance(before, list) and isinstance(after, list):
        return _all_of(zip(before, after, strict=True)) if len(before) == len(after) else Likeness.DIFFERENT
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = ((before[name], after[name]) for name in before)
        return _all_of(pairs) if before.keys() == after.keys() else Likeness.DIFFERENT
    if _is_number(before) and _is_number(after):
        return _of_numbers(before, after)
    same_kind = isinstance(before, bool) == isinstance(after, bool)
    return Likeness.SAME if same_kind and before == after else Likeness.DIFFERENT


def _all_of(pairs: Iterable[tuple[Any, Any]]) -> Likeness:
    return max((likeness_of(before, after) for before, after in pairs), default=Likeness.SAME)


def _of_numbers(before: float, after: float) -> Likeness:
    if before == after or (math.isnan(before) and math.isnan(after)):
        return Likeness.SAME
    is_label = float(before).is_integer() and float(after).is_integer()
    is_close = math.isclose(before, after, rel_tol=RELATIVE, abs_tol=ABSOLUTE) and not is_label
    return Likeness.CLOSE if is_close else Likeness.DIFFERENT


def _replay_read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def figures(seconds: Sequence[float]) -> LatencyFigures | None:
    """Return the latencies below which half, 95 and 99 of 100 lie; None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    at = [ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] for share in (0.5, 0.95, 0.99)]
    return LatencyFigures(*at)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _gap(before: Any, after: Any) -> float | None:
    if not (_is_number(before) and _is_number(after)) or before == after:
        return None
    gap = abs(before - after) / max(abs(before), abs(after))
    return gap if math.isfinite(gap) else None


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "nothing"
    return plain(value if isinstance(value, str) else json.dumps(value, default=str), _SHOWN)


MOST = 5000
"""Chosen: at twenty a second it takes four minutes, and shows a difference in one of a thousand."""
_ROWS = 10_000  # chosen: as many as any list gives
_FASTEST = 1000.0  # chosen: more than one asks a model for, one after the other
_REPLAY_SECONDS = 30.0  # as the gateway gives a model
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
            reply = _replay_asked(address, body)
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


def _replay_asked(address: str, body: bytes) -> Reply | None:
    try:
        question = Question(b"POST", b"/invocations", body, b"application/json")
        return ask_at_once(address, question, _REPLAY_SECONDS, _ANSWER_BYTES)
    except (NotConnected, Lost):
        return None


_SECONDS = 60.0  # chosen: the gateway gives a model half of it, and a queue a sixth
_SHOWN_BYTES = 1 << 20  # chosen: more than one reads; an answer of gigabytes is read no further


class Tries:
    """Sends requests to endpoints' models."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def send(self, endpoint: Endpoint, data: str | None, gateway: GatewayState | None) -> Tried:
        """Send the example of the live revision, or ``data``. Raises Invalid, TimedOut, Unavailable."""
        body = self._body(endpoint, data)
        if gateway is None:
            raise Unavailable("The gateway does not run, so no endpoint answers.", Hint("mlops-desk endpoints list"))
        return _asked(endpoint, body, gateway)

    def _body(self, endpoint: Endpoint, data: str | None) -> bytes:
        revision = self._shelf.read(endpoint.name, endpoint.revision)
        if data is not None:
            return body_of(data, revision.features if revision else ())
        served = None if revision is None else revision.served
        if served is not None:
            example = None if served.golden is None else served.golden.body
        else:
            example = example_of(self._shelf.place(endpoint.name, endpoint.revision))
        if example is None:
            hint = Hint(f"mlops-desk endpoints try {endpoint.name} --data FILE", before="Send one of your own: ")
            what = "model" if served is None else "image"
            raise Invalid(f"The {what} of endpoint {endpoint.name} brings no example.", hint)
        return example


def example_of(place: Path) -> bytes | None:
    """Return the request that was saved with the model of a revision; None where there is none to be had."""
    try:
        return read_model(place / "model").example
    except (DeskError, OSError):
        return None


def _asked(endpoint: Endpoint, body: bytes, gateway: GatewayState) -> Tried:
    import httpx  # noqa: PLC0415 - 15 MB that an agent without endpoints does not need

    name = endpoint.name
    url = f"http://127.0.0.1:{gateway.port}/-/try/{name}{endpoint.example_path}"
    headers = {"authorization": f"Bearer {gateway.token}", "content-type": "application/json"}
    began = time.monotonic()
    try:
        with (
            httpx.Client(trust_env=False, timeout=_SECONDS) as client,
            client.stream("POST", url, content=body, headers=headers) as answer,
        ):
            read, size, cut = _read(answer, began + _SECONDS)
    except httpx.TimeoutException as error:
        raise TimedOut(f"Endpoint {name} did not answer within {_SECONDS:g} s.") from error
    except httpx.HTTPError as error:
        raise Unavailable(f"The gateway broke off while endpoint {name} was asked: {error}.") from error
    revision = answer.headers.get("x-mlops-desk-revision", "0")
    return Tried(
        endpoint=name,
        status=answer.status_code,
        seconds=time.monotonic() - began,
        request_id=answer.headers.get("x-request-id", ""),
        revision=int(revision) if revision.isdecimal() and revision != "0" else None,
        content_type=answer.headers.get("content-type", ""),
        body=read.decode("utf-8", "replace"),
        body_bytes=size,
        cut=cut,
    )


def _read(answer: "httpx.Response", deadline: float) -> tuple[bytes, int, str | None]:
    """Return what is shown of an answer, how long it is, and why it is not all of it."""
    told = answer.headers.get("content-length", "")
    whole = int(told) if told.isdecimal() else None
    pieces, size = [], 0
    for piece in answer.iter_raw():
        pieces.append(piece[: max(0, _SHOWN_BYTES - size)])
        size += len(piece)
        if size > _SHOWN_BYTES:
            return b"".join(pieces), whole or size, f"only the first {_SHOWN_BYTES:,} bytes are shown"
        if time.monotonic() > deadline:
            return b"".join(pieces), whole or size, f"it was still coming after {_SECONDS:g} s"
    return b"".join(pieces), size, None


SWEEP_SECONDS = (
    60.0  # chosen: a container that nobody asks any more holds a GPU for no longer, and to look costs little
)


class BesideTraffic:
    """``find`` returns logged rows of an endpoint."""

    def __init__(
        self,
        folder: DataFolder,
        shelf: Shelf,
        trial: Trial,
        maker: Maker,
        images: EndpointImages,
        engine: Engine,
        settings: SettingsStore,
        find: Callable[[str, RequestQuery], list[LoggedRequest]],
        loop: Loop,
    ) -> None:
        self._loop = loop
        self.works = WorkBook(loop)
        self._asides = AsideContainers(folder.instance, folder.endpoints / "_asides", trial, engine, loop.ending)
        self.tries = Tries(shelf)
        self.replays = Replays(shelf, settings, self._asides, find)
        self.exports = Exports(folder.endpoints / "_exports", shelf, engine)
        self.variants = VariantComparisons(shelf, maker, self._asides, images)
        self.scoring = VersionScoring(shelf, maker, self._asides, images, settings)
        self.weighing = VersionWeighing(self.scoring, self._asides)

    def sweep(self) -> None:
        """Take away what an earlier agent has left half done, and what an engine kept while it was away."""
        self._loop.start("sweep-exports", self.exports.sweep)
        self._loop.repeat("sweep-asides", SWEEP_SECONDS, self._asides.sweep)
        self.variants.sweep()
        self.scoring.sweep()
