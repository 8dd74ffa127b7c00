"""What is kept of an endpoint's revisions on disk, and how one that did not come up says why."""

import logging
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.disk.write_deadline import HungDisk, PatientWriter
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import LINE_LIMIT, plain
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.records.endpoint import Endpoint, EndpointScale, ModelRef
from mlops_desk.serving.records.own_image import OwnImage

_log = logging.getLogger(__name__)
MOST_TO_COME_BACK_TO = 3  # chosen: a model takes gigabytes, and one goes back to the last or the one before
PREPARED = "prepared"
"""The folder with a model's files as a runtime wants them, beside those that the version has."""
NO_GPU = "no_gpu"
"""Why a replica does not start that will as soon as GPUs are free."""
_LOG_BYTES = 4 << 20  # chosen: a build's output is cut to less
_CLEARING_SECONDS = 20.0  # chosen: whoever removes an endpoint waits for its gigabytes to go, which take some seconds
MOST_REMEMBERED = 100  # chosen: a description takes a kilobyte, and a list of more is not read


@dataclass(frozen=True, slots=True)
class Revision:
    """One attempt to put a model version behind an endpoint.

    ``state``: pending, shadow, canary, live, failed, rolled_back or retired. ``enters_percent`` is the share of
    requests with which it begins; None takes over at once. One that ``was_live`` can come back. ``wanted`` is the
    runtime that was asked for, ``runtime`` the one that was chosen: what ``image`` is, and serves by. Each of its
    replicas has ``gpus`` GPUs, leased for the user ``uid``. ``scale`` is what its endpoint gets when it first takes
    over (None: as it has been), and what it has had since.
    ``served`` is there for an image that serves by itself.
    """

    endpoint: str
    number: int
    model: ModelRef
    version: ModelVersion
    state: str = "pending"
    image: str | None = None
    features: tuple[LoggedFeature, ...] = ()
    enters_percent: float | None = None
    created_at: float | None = None
    was_live: bool = False
    reason: Reason | None = None
    wanted: str = "auto"
    runtime: str | None = None
    served: OwnImage | None = None
    gpus: int = 0
    scale: EndpointScale | None = None
    uid: int | None = None


class Failed(Exception):  # noqa: N818 - what it carries is an answer for a person
    """A revision did not come up."""

    def __init__(self, class_: str, text: str, evidence: str | None = None, hint: str | None = None) -> None:
        super().__init__(text)
        self.reason = Reason(class_, text, evidence, hint)

    @classmethod
    def by(cls, reason: Reason) -> Self:
        """Return what is raised for a reason that is known already."""
        made = cls(reason.class_, reason.text)
        made.reason = reason
        return made


class Interrupted(Exception):  # noqa: N818 - no fault: the agent ends, the revision stays pending for the next one
    """The process is about to end."""


class Shelf:
    """The folders of all revisions: ``endpoints/NAME/revisions/NUMBER``."""

    def __init__(self, endpoints: Path) -> None:
        self._endpoints = endpoints
        self._owed: dict[tuple[str, int], Revision] = {}
        self._writer = PatientWriter("revisions")
        self._dropping = PatientWriter("revision-files")
        self._clearing = PatientWriter("revision-folders", _CLEARING_SECONDS)

    def place(self, endpoint: str, number: int) -> Path:
        """Return the folder of a revision: its description, model files, build log."""
        return self._endpoints / endpoint / "revisions" / str(number)

    def replica_place(self, endpoint: str, number: int, replica: int) -> Path:
        """Return where the door of a replica lies; the first one's is where agents have put the only one there was."""
        place = self.place(endpoint, number)
        return place if replica == 1 else place / f"replica-{replica}"

    def numbers(self, endpoint: str) -> list[int]:
        """Return the numbers of the revisions on disk, oldest first."""
        folder = self._endpoints / endpoint / "revisions"
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        return sorted(int(name) for name in names if name.isdigit())

    def read(self, endpoint: str, number: int) -> Revision | None:
        """Return what is known of a revision; None when that can't be read."""
        if (owed := self._owed.get((endpoint, number))) is not None:
            return owed
        try:
            return wire.loads((self.place(endpoint, number) / "revision.json").read_bytes(), Revision)
        except (OSError, DeskError):
            return None

    def write(self, revision: Revision) -> Revision:
        """Write a revision down, durably. Raises OSError, HungDisk where the disk does not answer."""
        place = self.place(revision.endpoint, revision.number)

        def write() -> None:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(place / "revision.json", wire.dumps(revision).encode())

        self._writer.do(write)
        self._owed.pop((revision.endpoint, revision.number), None)
        return revision

    @property
    def is_hung(self) -> bool:
        """Whether the disk does not answer."""
        return self._writer.is_hung

    def mark(self, revision: Revision) -> Revision:
        """Note what became of a revision; what the disk does not take is known all the same, and written later."""
        try:
            return self.write(revision)
        except OSError as error:
            _log.warning("Revision %s of %s: %s", revision.number, revision.endpoint, error)
            self._owed[revision.endpoint, revision.number] = revision
            return revision

    def settle(self) -> set[str]:
        """Write what the disk has not taken; return the endpoints of which something is still not written."""
        for revision in list(self._owed.values()):
            try:
                self.write(revision)
            except OSError:
                break  # it is asked again soon
        return {endpoint for endpoint, _ in self._owed}

    def drop_files(self, endpoint: str, number: int) -> None:
        """Delete a revision's model files and its replicas' doors; its description and build log stay.

        Where the disk takes its time, they go later, and nobody waits.
        """
        self._drop(lambda: self._drop_files(endpoint, number))

    def _drop_files(self, endpoint: str, number: int) -> None:
        place = self.place(endpoint, number)
        for folder in (place / "model", place / PREPARED, *place.glob("replica-*")):
            shutil.rmtree(folder, ignore_errors=True)

    def _drop(self, work: Callable[[], None]) -> None:
        try:
            self._dropping.do(work)
        except HungDisk:
            _log.warning("Files of old revisions go later: the disk does not answer")

    def build_output(self, endpoint: Endpoint, lines: int) -> list[str]:
        """Return the last lines that the newest revision's build wrote, and behind them the cause that they lack."""
        newest = self.numbers(endpoint.name)[-1:]
        written = [tail_of(self.place(endpoint.name, number) / "build.log", lines) or "" for number in newest]
        reasons = [one.reason for one in endpoint.revisions if one.revision in newest]
        reason = next((one for one in (*reasons, endpoint.reason) if one is not None and one.evidence), None)
        told = [line for text in written for line in text.splitlines()]
        cause = (reason.evidence or "").splitlines() if reason is not None else []
        return [*told, *(line for line in cause if line not in told)][-lines:]

    def all(self, endpoint: str) -> list[Revision]:
        """Return the revisions of an endpoint that can be read, oldest first."""
        found = (self.read(endpoint, number) for number in self.numbers(endpoint))
        return [revision for revision in found if revision is not None]

    def has_files(self, endpoint: str, number: int) -> bool:
        """Tell whether a revision's model files are there, so that it can be started again."""
        return (self.place(endpoint, number) / "model").is_dir()

    def clear(self, endpoint: str) -> None:
        """Delete an endpoint's revisions. Raises HungDisk where they have not gone in time; they may go later."""
        for key in [key for key in self._owed if key[0] == endpoint]:
            self._owed.pop(key, None)

        def work() -> None:
            for number in self.numbers(endpoint):
                shutil.rmtree(self.place(endpoint, number), ignore_errors=True)

        self._clearing.do(work)

    def discard(self, endpoint: str) -> None:
        """Delete an endpoint's revisions, later where the disk takes its time: nobody looks for them."""
        try:
            self.clear(endpoint)
        except HungDisk:
            _log.warning("The revisions of %s go later: the disk does not answer", endpoint)

    def prune(self, endpoint: str, needed: Collection[int]) -> None:
        """Delete the model files of old revisions, and older ones wholly; those that are ``needed`` stay as they are.

        The newest that were live keep their files, to come back to. Where the disk takes its time, they go later.
        """
        self._drop(lambda: self._prune(endpoint, needed))

    def _prune(self, endpoint: str, needed: Collection[int]) -> None:
        old = [revision for revision in reversed(self.all(endpoint)) if revision.number not in needed]
        back = [revision for revision in old if revision.was_live][:MOST_TO_COME_BACK_TO]
        for revision in old:
            if revision not in back and revision.state != "pending":
                self._drop_files(endpoint, revision.number)
        for revision in old[MOST_REMEMBERED:]:
            shutil.rmtree(self.place(endpoint, revision.number), ignore_errors=True)


def plain_lines(lines: list[str]) -> str | None:
    """Join lines from outside, each plain and capped; None for none."""
    return "\n".join(plain(line, LINE_LIMIT) for line in lines) or None


def text_of(log: Path) -> str | None:
    """Return a log as it is, its last part where it is long; None when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return None


def tail_of(log: Path, lines: int) -> str | None:
    """Return the last lines of a log file, plain; None when there are none."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - lines * LINE_LIMIT))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    return plain_lines(text.splitlines()[-lines:])
