"""A version answers rows beside all endpoints: in a container of its own, without a network, that is gone afterwards.

It is made ready as a deployment makes it (in the image that it was trained in, where that serves), so nothing of it is
ever loaded in a process of ours. What it answers is text from a hostile place: cut, and no more than one for each row.
"""

import itertools
import json
import math
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from mlops_desk.base.errors import Invalid, Refused, Unavailable
from mlops_desk.base.settings import SettingsStore
from mlops_desk.base.text import LINE_LIMIT, plain
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.pipelines.comparison import ModelCost
from mlops_desk.records.serving.endpoint import ModelRef
from mlops_desk.serving.asking.aside import AsideContainers
from mlops_desk.serving.asking.data import typed
from mlops_desk.serving.asking.silence import Silent
from mlops_desk.serving.gateway.outbound.asking import ask_at_once
from mlops_desk.serving.gateway.outbound.dialing import NotConnected
from mlops_desk.serving.gateway.outbound.question import Lost, Question
from mlops_desk.serving.image.maker import Maker
from mlops_desk.serving.image.model_files import ModelFiles, read_model
from mlops_desk.serving.images import EndpointImages
from mlops_desk.serving.probe import INVOCATIONS
from mlops_desk.serving.revision import NO_GPU, Failed, Revision, Shelf
from mlops_desk.serving.work import BesideWork
from mlops_desk.storage.requests import LoggedFeature

T = TypeVar("T")

PLACE = "_scoring"  # no endpoint's name begins so
BATCH_ROWS = 500  # chosen: a second or two of a model that takes milliseconds a row
GOLDEN_ROWS = 100  # chosen: large enough that the way there and back is no part of it
_GOLDEN_TIMES = 7  # chosen: the median of so many is not moved by one that the machine was busy in
_ROWS_SECONDS = 120.0  # chosen: a quarter of a second for each row of a batch
_ANSWER_BYTES = 64 << 20  # as the gateway takes of an answer


@dataclass(frozen=True, slots=True)
class ReadyVersion:
    """A version that answers at ``address``. ``features`` are the columns that it takes; none where it doesn't say."""

    version: ModelVersion
    address: str
    features: tuple[LoggedFeature, ...]
    size_bytes: int

    def answer(self, rows: Path, target: Path, work: BesideWork) -> int:
        """Write the answers to the rows of a file of JSON lines as one JSON list; return how many.

        Raises Invalid, Refused, Unavailable, OSError.
        """
        told: list[Any] = []
        with rows.open(encoding="utf-8") as file:
            while batch := [json.loads(line)["features"] for line in itertools.islice(file, BATCH_ROWS)]:
                work.tell(f"Version {self.version.version} answers.", len(told))
                told += self.asked(batch, len(told))
        target.write_text(json.dumps(told, allow_nan=False), encoding="utf-8")
        return len(told)

    def cost(self, rows: Path) -> ModelCost:
        """Return what it takes, for a golden batch of the first rows of a file. Raises likewise."""
        with rows.open(encoding="utf-8") as file:
            batch = [json.loads(line)["features"] for line in itertools.islice(file, GOLDEN_ROWS)]
        if not batch:
            return ModelCost(self.size_bytes)
        taken = []
        for _ in range(_GOLDEN_TIMES + 1):
            began = time.monotonic()
            self.asked(batch, 0)
            taken.append(time.monotonic() - began)
        return ModelCost(self.size_bytes, len(batch), statistics.median(taken[1:]))  # the first one warms it

    def asked(self, batch: Sequence[Mapping[str, Any]], before: int) -> list[Any]:
        """Return an answer for each row of a batch, which ``before`` rows come before."""
        kinds = {one.name: one.kind for one in self.features}
        names = list(kinds) or list(batch[0])
        data = [
            [typed(row.get(name), kinds.get(name), at, name) for name in names]
            for at, row in enumerate(batch, before + 1)
        ]
        body = json.dumps({"dataframe_split": {"columns": names, "data": data}}, allow_nan=False).encode()
        try:
            question = Question(b"POST", INVOCATIONS.encode("ascii"), body, b"application/json")
            reply = ask_at_once(self.address, question, _ROWS_SECONDS, _ANSWER_BYTES)
        except (NotConnected, Lost) as error:
            raise Silent(f"{self._called()} does not answer {len(batch):,} rows: {error}.") from error
        if reply.status != HTTPStatus.OK:
            said = plain(reply.body.decode("utf-8", "replace"), LINE_LIMIT)
            raise Refused(f"{self._called()} can't answer the rows (status {reply.status}): {said}")
        return self._answers(reply.body, len(batch))

    def _answers(self, body: bytes, n: int) -> list[Any]:
        try:
            document = json.loads(body, parse_constant=lambda _word: None, parse_float=_finite)
        except (ValueError, RecursionError) as error:
            raise Invalid(f"{self._called()} answers with what is no JSON.") from error
        found = document.get("predictions") if isinstance(document, dict) else document
        if not isinstance(found, list) or len(found) != n:
            many = f"{len(found):,}" if isinstance(found, list) else "no"
            raise Invalid(f"{self._called()} gives {many} answers to {n:,} rows.")
        return found

    def _called(self) -> str:
        return f"Version {plain(self.version.version)} of {plain(self.version.name)}"


def _finite(word: str) -> float | None:
    """Return a number of an answer; one that no double holds (1e999) is no answer, as NaN is none."""
    number = float(word)
    return number if math.isfinite(number) else None


class VersionScoring:
    """Starts versions beside everything else, one after the other: two at once would measure one another."""

    def __init__(
        self, shelf: Shelf, maker: Maker, asides: AsideContainers, images: EndpointImages, settings: SettingsStore
    ) -> None:
        self._shelf = shelf
        self._maker = maker
        self._asides = asides
        self._images = images
        self._settings = settings
        self._numbers = itertools.count(int(time.time()))
        self._scoring = threading.Lock()

    def sweep(self) -> None:
        """Delete what an earlier agent has left half scored."""
        self._shelf.discard(PLACE)

    @contextmanager
    def ready(self, version: ModelVersion, work: BesideWork, gpus: int = 0) -> Iterator[ReadyVersion]:
        """Give a version that answers, with so many ``gpus``; waits for another one to be done.

        Raises Refused, TimedOut, and Unavailable, too, while no GPU is free.
        """
        with self.made(version, work, gpus) as made, ExitStack() as running:
            files, seconds = made.files, self._settings.number("serving.start_timeout_seconds")
            address = made.tried(
                lambda image: running.enter_context(self._asides.serving(image, files.folder, seconds, work, gpus))
            )
            yield ReadyVersion(version, address, files.features, files.size_bytes)

    @contextmanager
    def made(self, version: ModelVersion, work: BesideWork, gpus: int = 0) -> Iterator["MadeVersion"]:
        """Give a version whose files and image are there, once so many GPUs are free; waits for another one.

        Raises Refused, Unavailable.
        """
        while not self._scoring.acquire(timeout=1.0):
            work.tell("Waiting for another version to be scored.")
        try:
            self._asides.check_gpus(gpus)  # before an image is made that would wait for them
            yield from self._made(version, work)
        except Failed as failure:
            if failure.reason.class_ == NO_GPU:  # jobs have them all, and one of them ends
                raise Unavailable(failure.reason.text, failure.reason.hint) from failure
            raise Refused(failure.reason.text, failure.reason.hint) from failure
        except OSError as error:
            raise Unavailable(f"The version can't be made ready: {error}.") from error
        finally:
            self._shelf.discard(PLACE)
            self._scoring.release()

    def _made(self, version: ModelVersion, work: BesideWork) -> Iterator["MadeVersion"]:
        ref = ModelRef(version.name, version.version, f"models:/{version.name}/{version.version}", None, version.run_id)
        revision = self._shelf.write(Revision(PLACE, next(self._numbers), ref, version))
        made = self._maker.make(revision, lambda name, text: work.tell(f"{name}: {text}"))
        if made.served is not None:
            raise Refused(f"Version {version.version} is served by an image of its own, which is not started here.")
        place = self._shelf.place(PLACE, made.number)
        ready = MadeVersion(place, read_model(place / "model"), made, self._maker, work)
        try:
            yield ready
        finally:
            self._shelf.drop_files(PLACE, made.number)
            self._images.drop(set(ready.images))


class MadeVersion:
    """A version's ``files``, in its ``place``, and the images that it was tried in."""

    def __init__(self, place: Path, files: ModelFiles, revision: Revision, maker: Maker, work: BesideWork) -> None:
        self.place = place
        self.files = files
        self.images = [revision.image or ""]
        self._revision = revision
        self._maker = maker
        self._work = work

    def tried(self, use: Callable[[str], T]) -> T:
        """Return what ``use`` makes of its image; where that refuses, of one that is built of its requirements.

        Raises what ``use`` raises, and Refused.
        """
        try:
            return use(self.images[0])
        except Refused:  # its training image can't serve
            other = self._maker.instead(self._revision, lambda name, text: self._work.tell(f"{name}: {text}"))
            if other is None:
                raise
            self.images.append(other.image or "")
            return use(self.images[1])
