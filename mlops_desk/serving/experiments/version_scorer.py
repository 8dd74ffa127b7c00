"""A version answers rows beside all endpoints: in a container of its own, without a network, that is gone afterwards.

It is made ready as a deployment makes it (in the image that it was trained in, where that serves), so nothing of it is
ever loaded in a process of ours. What it answers is text from a hostile place: cut, and no more than one for each row.
"""

import itertools
import json
import math
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from mlops_desk.automation.records.pipelines.comparison import ModelCost
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.errors import Hint, Invalid, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import LINE_LIMIT, plain
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.background_tasks import BesideWork
from mlops_desk.serving.experiments import importance_output
from mlops_desk.serving.experiments.importance_output import ToldImportance
from mlops_desk.serving.gateway.outbound.pool import NotConnected
from mlops_desk.serving.gateway.outbound.question import Lost, Question
from mlops_desk.serving.gateway.outbound.sync_request import ask_at_once
from mlops_desk.serving.image.maker import Maker
from mlops_desk.serving.image.model_files import ModelFiles, read_model
from mlops_desk.serving.images import EndpointImages
from mlops_desk.serving.probe import INVOCATIONS
from mlops_desk.serving.records.endpoint import ModelRef
from mlops_desk.serving.revision import NO_GPU, Failed, Revision, Shelf
from mlops_desk.serving.runtimes import resource_files
from mlops_desk.serving.test_requests import AsideContainers, Silent, typed

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


# How much a version looks at each of its columns, found in a container of its own, which is gone afterwards.
#
# The version is made ready as for scoring, and nothing of it is loaded in a process of ours: what is said of its
# columns are lines that the container writes (``told``). It has no network, no GPU and no more memory than a deployed
# one.

LEAST_ROWS = 30  # as for everything that is compared: fewer tell nothing (DRIFT.md, B4)
MOST_COLUMNS = 500  # chosen: each is shuffled some times, and nobody reads more of them
_SECONDS = 3600.0  # chosen: 100 columns five times each, of a model that takes 3 ms a row, on 2,000 rows
_PROGRAMS = {
    "serve.py": resource_files.SCORING_SERVER,
    "model_says.py": resource_files.MODEL_SAYS,
    "column_importance.py": resource_files.COLUMN_IMPORTANCE,
}


@dataclass(frozen=True, slots=True)
class WeighingOrder:
    """What is asked. ``rows`` is a file of JSON lines {"features", "label"}, as ``drift.contest.laying`` writes them.

    ``columns`` are those that somebody wants to know of, ``features`` what the model takes where it doesn't say. With
    ``permute`` or a ``metric`` the model is asked also where it would say it itself.
    """

    rows: Path
    columns: tuple[str, ...]
    features: tuple[str, ...]
    repeats: int
    seed: int
    metric: str | None = None
    permute: bool = False


@dataclass(frozen=True, slots=True)
class Weighed:
    """What was found of which columns, by so many rows."""

    columns: tuple[str, ...]
    told: ToldImportance
    n_rows: int


class VersionWeighing:
    """One at a time, and none while another version is scored."""

    def __init__(self, scoring: VersionScoring, asides: AsideContainers) -> None:
        self._scoring = scoring
        self._asides = asides

    def weigh(self, version: ModelVersion, order: WeighingOrder, work: BesideWork) -> Weighed:
        """Weigh a version's columns. Raises Invalid, Refused, TimedOut, Unavailable."""
        with self._scoring.made(version, work) as made:
            names = [one.name for one in made.files.features] or list(order.features)
            wanted = [one for one in order.columns if one in set(names)]
            _check(version, order, wanted)
            folder = made.place / "weighing"
            _lay_programs(folder)
            n_rows = _lay_rows(made.files, names, order, folder / "rows.jsonl")
            permute = order.permute or order.metric is not None
            asked = {
                "columns": names, "wanted": wanted, "metric": order.metric, "is_asked": permute,
                "repeats": order.repeats, "seed": order.seed,
            }  # fmt: skip
            _write(folder / "order.json", json.dumps(asked))
            found = made.tried(lambda image: self._told(image, made, folder, len(wanted), order, work))
        return Weighed(tuple(wanted), found, n_rows)

    def _told(
        self, image: str, made: MadeVersion, folder: Path, n_wanted: int, order: WeighingOrder, work: BesideWork
    ) -> ToldImportance:
        def heard(lines: list[str]) -> None:
            known = importance_output.progress(lines)
            if known is None:
                work.tell("The model is loaded, and what it says of its columns is read.")
            else:
                work.tell("Columns are shuffled.", *known)

        mounts = (Mount(str(made.files.folder), "/model", "ro"), Mount(str(folder), "/mlops-desk", "ro"))
        command = ("python3", "/mlops-desk/column_importance.py")
        try:
            lines = self._asides.lines(image, mounts, command, _SECONDS, work, heard)
        except TimedOut as error:
            raise TimedOut(error.message, "Take fewer rows (--rows) or repeats (--repeats).") from error
        permute = order.permute or order.metric is not None
        return importance_output.read(lines, n_wanted, order.metric, permute=permute)


def _check(version: ModelVersion, order: WeighingOrder, wanted: list[str]) -> None:
    called = f"Version {plain(version.version)} of {plain(version.name)}"
    if not wanted:
        shown = ", ".join(plain(one, 40) for one in order.columns[:5])
        hint = Hint("mlops-desk drift monitors configure NAME --rename NOW=BEFORE", before="If they are renamed: ")
        raise Invalid(f"{called} takes none of the columns that are compared ({shown or 'none'}).", hint)
    if len(wanted) > MOST_COLUMNS:
        text = f"{called} has {len(wanted)} columns that are compared; no more than {MOST_COLUMNS} are weighed at once."
        raise Invalid(text, "Choose some for the monitor: drift monitors configure NAME --columns A,B.")


def _lay_programs(folder: Path) -> None:
    """Write what the container runs, for whichever user it runs as."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    for name, program in _PROGRAMS.items():
        _write(folder / name, resource_files.text(program))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)


def _lay_rows(files: ModelFiles, names: list[str], order: WeighingOrder, target: Path) -> int:
    """Write the rows as the model's signature has them; return how many. Raises Invalid.

    Where enough of them have a label, those without are left out; else the labels are.
    """
    kinds = {one.name: one.kind for one in files.features}
    with order.rows.open(encoding="utf-8") as file:
        n_all, n_labelled = 0, 0
        for line in file:
            n_all += 1
            n_labelled += json.loads(line)["label"] is not None
    is_labelled = n_labelled >= LEAST_ROWS
    if n_all < LEAST_ROWS:
        raise Invalid(f"The reference has {n_all:,} rows, and {LEAST_ROWS} are the least that tell anything.")
    n = 0
    with order.rows.open(encoding="utf-8") as file, target.open("w", encoding="utf-8") as out:
        for at, line in enumerate(file, 1):
            row: dict[str, Any] = json.loads(line)
            if is_labelled and row["label"] is None:
                continue
            values = [typed(row["features"].get(name), kinds.get(name), at, name) for name in names]
            out.write(json.dumps([values, row["label"] if is_labelled else None], allow_nan=False) + "\n")
            n += 1
    target.chmod(0o644)
    return n
