"""The images of the engine in memory: what it has, what it can pull and how that goes, and what it builds.

A pull is instant unless ``pulls`` says how it goes: how large the layers are, how long they take, after how many bytes
the connection breaks. Layers that were finished stay, as with a real engine.
"""

import hashlib
import io
import json
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.engines.engine import HandEnder, ImageFacts, WasEnded
from mlops_desk.engines.image_store import (
    PLAIN_ORDER,
    BuildNews,
    BuildOrder,
    HearBuild,
    HearLayer,
    StoredImage,
    StoredVolume,
    StoreRoom,
    unheard,
)
from mlops_desk.engines.records.task import BuilderName, BuildStep, LayerProgress, LayerState
from mlops_desk.kit.base.errors import NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain

_TICK_SECONDS = 0.05  # chosen: twenty steps a second, as engines tell of them
_IMAGE_BYTES = 100 << 20  # chosen: any will do
_FOLDER = "/var/lib/fake"


@dataclass(frozen=True, slots=True)
class ScriptedPull:
    """How a pull goes: the sizes of the ``layers`` in bytes, and ``seconds`` for all of them.

    ``breaks`` are numbers of bytes, one for each try, after which the connection breaks; ``silent_after``: nothing is
    heard any more from so many bytes on. Without ``tells_sizes`` nobody learns how large the layers are.
    """

    layers: tuple[int, ...] = (_IMAGE_BYTES,)
    seconds: float = 0.0
    breaks: tuple[int, ...] = ()
    silent_after: int | None = None
    tells_sizes: bool = True


@dataclass(frozen=True, slots=True)
class ScriptedBuild:
    """How a build goes: the lines of each step, and ``seconds`` for all of them; ``error`` ends it."""

    steps: tuple[tuple[str, ...], ...] = ()
    seconds: float = 0.0
    error: str | None = None


def _tar(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


class FakeImages:
    """``remote`` is what can be pulled, ``pulls`` how that goes; ``builds`` how a build of a tag goes.

    ``orders`` are those of the builds so far.
    """

    def __init__(self) -> None:
        self.remote: set[str] = set()
        self.pulls: dict[str, ScriptedPull] = {}
        self.builds: dict[str, ScriptedBuild] = {}
        self.absent = False
        self.frozen = False
        self.build_error: str | None = None
        self.pull_error: str | None = None
        self.stored_volumes: list[StoredVolume] = []
        self.pulled: list[str] = []
        self.orders: list[BuildOrder] = []
        self._lock = threading.RLock()
        self._images: dict[str, ImageFacts] = {}
        self._stored: dict[str, StoredImage] = {}
        self._layers: dict[str, int] = {}
        self._broken: dict[str, int] = {}

    def add_image(
        self,
        reference: str,
        *,
        command: tuple[str, ...] = ("sh",),
        architecture: str = "",
        size_bytes: int | None = _IMAGE_BYTES,
        created_at: float | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> ImageFacts:
        """Make an image local."""
        digest = hashlib.sha256(reference.encode()).hexdigest()
        name = reference.partition("@")[0]
        tagged = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
        facts = ImageFacts(f"sha256:{digest}", (tagged,), (f"{name.partition(':')[0]}@sha256:{digest}",), (), command,
                           "", "", architecture)  # fmt: skip
        platform = f"linux/{architecture}" if architecture else ""
        stored = StoredImage(
            facts.id, facts.tags, facts.repo_digests, size_bytes, 0, created_at or time.time(), platform, labels or {}
        )
        with self._lock:
            self._images[tagged] = facts
            self._stored[tagged] = stored
        return facts

    # -- Engine ----------------------------------------------------------------------------------

    def image(self, reference: str) -> ImageFacts:
        with self._act():
            return self._image(reference)

    def images(self) -> list[StoredImage]:
        with self._act():
            return list(self._stored.values())

    def volumes(self) -> list[StoredVolume]:
        with self._act():
            return list(self.stored_volumes)

    def room(self) -> StoreRoom:
        with self._act():
            sizes = [image.size_bytes for image in self._stored.values() if image.size_bytes is not None]
            return StoreRoom(sum(sizes), 0, None, _FOLDER)

    def save_image(
        self,
        reference: str,
        target: Path,
        timeout_seconds: float,  # noqa: ARG002 - at once
        saved: Callable[[int], None] = unheard,
    ) -> None:
        """Write an image of one layer, in which there is the metadata of one package."""
        with self._act():
            self._image(reference)
        told = b"Metadata-Version: 2.1\nName: fake-package\nVersion: 1.0\nLicense: MIT\n"
        layer = _tar({"usr/lib/python3/fake_package-1.0.dist-info/METADATA": told})
        config = {
            "architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/usr/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }  # fmt: skip
        listed = [{"Config": "config.json", "RepoTags": None, "Layers": ["layer.tar"]}]
        files = {"layer.tar": layer, "config.json": json.dumps(config).encode(),
                 "manifest.json": json.dumps(listed).encode()}  # fmt: skip
        content = _tar(files)
        target.write_bytes(content)
        saved(len(content))

    def data_folder(self) -> str:
        with self._act():
            return _FOLDER

    def pull(
        self,
        reference: str,
        quiet_seconds: float,
        login: object = None,  # noqa: ARG002 - nobody is asked who it is here
        *,
        heard: HearLayer = unheard,
        hand: HandEnder | None = None,
    ) -> ImageFacts:
        over = _ender(hand)
        with self._act():
            self.pulled.append(reference)
            if self.pull_error is not None:
                raise Unavailable(f"Pulling the image {plain(reference)} failed: {self.pull_error}")
            if reference not in self.remote:
                raise NotFound(f"No registry has the image {plain(reference)}.", "Check the name and the tag.")
            script = self.pulls.get(reference, ScriptedPull())
        self._fetch(reference, script, quiet_seconds, heard, over)
        with self._act():
            return self.add_image(reference, size_bytes=sum(script.layers))

    def ask_registry(self, reference: str, login: object = None) -> None:  # noqa: ARG002 - whoever asks, may have it
        with self._act():
            if self.pull_error is not None:
                raise Unavailable(f"Asking for the image {plain(reference)} failed: {self.pull_error}")

    def build(
        self,
        folder: Path,
        tag: str,
        labels: Mapping[str, str],
        timeout_seconds: float,  # noqa: ARG002 - the protocol names it, and a double takes no longer than it is told
        log: Path,
        *,
        order: BuildOrder = PLAIN_ORDER,
        heard: HearBuild = unheard,
        hand: HandEnder | None = None,
    ) -> ImageFacts:
        over = _ender(hand)
        with self._act():
            text = (folder / order.dockerfile).read_text(encoding="utf-8")
            base = next(line.split()[1] for line in text.splitlines() if line.upper().startswith("FROM "))
            self._image(base)
            script = self.builds.get(tag, ScriptedBuild(((f"FROM {base}",),)))
            error = self.build_error or script.error
        heard(BuildNews("", builder=BuilderName.CLASSIC))
        with self._lock:
            self.orders.append(order)
        with log.open("w", encoding="utf-8") as output:

            def write(line: str, step: BuildStep) -> None:
                output.write(f"{line}\n")
                output.flush()
                heard(BuildNews(line, step))

            for number, lines in enumerate(script.steps, 1):
                step = BuildStep(number, len(script.steps), lines[0])
                for line in (f"Step {number}/{len(script.steps)} : {lines[0]}", *lines[1:]):
                    write(line, step)
                    _pause(script.seconds / sum(map(len, script.steps)), over, f"Building the image {plain(tag)}")
            output.write(f"{error or f'Successfully tagged {tag}'}\n")
        if error is not None:
            raise Refused(f"The image {tag} was not built: {error}", f"The whole output is in {log}.")
        with self._act():
            return self.add_image(tag, labels=labels)

    def remove_image(self, reference: str, *, force: bool = True) -> None:
        with self._act():
            for tag, facts in list(self._images.items()):
                if reference in {tag, tag.removesuffix(":latest"), facts.id}:
                    if not force and self._is_made_of(facts.id):
                        text = f"Removing the image {plain(reference)}: the engine refused. A container uses it."
                        raise Refused(text)
                    del self._images[tag]
                    self._stored.pop(tag, None)

    # -- inside ----------------------------------------------------------------------------------

    def _is_made_of(self, image_id: str) -> bool:  # noqa: ARG002 - here are no containers
        """Tell whether a container was made of an image."""
        return False

    def _act(self) -> "_Act":
        return _Act(self)

    def _image(self, reference: str) -> ImageFacts:
        for tag, facts in self._images.items():
            if reference in {tag, tag.removesuffix(":latest"), facts.id, *facts.repo_digests}:
                return facts
        raise NotFound(f"There is no local image {plain(reference)}.", "Pull or build it first.")

    def _fetch(
        self, reference: str, script: ScriptedPull, quiet_seconds: float, heard: HearLayer, over: threading.Event
    ) -> None:
        """Play a pull: one layer after the other, from where an earlier one broke off."""
        what = f"Pulling the image {plain(reference)}"
        finished = self._layers.get(reference, 0)
        ids = [
            hashlib.sha256(f"{reference}/{number}".encode()).hexdigest()[:12] for number in range(len(script.layers))
        ]
        for number, id_ in enumerate(ids):
            heard(LayerProgress(id_, LayerState.PRESENT if number < finished else LayerState.WAITING))
        tries, come = self._broken.get(reference, 0), 0
        per_second = sum(script.layers) / script.seconds if script.seconds else None
        for number in range(finished, len(script.layers)):
            size, done = script.layers[number], 0
            while done < size:
                done = size if per_second is None else min(size, done + int(per_second * _TICK_SECONDS) + 1)
                if tries < len(script.breaks) and come + done > script.breaks[tries]:
                    self._broken[reference] = tries + 1
                    raise Unavailable(f"{what} failed: unexpected EOF", "Check the network.")
                if script.silent_after is not None and come + done > script.silent_after:
                    _pause(quiet_seconds, over, what)
                    raise TimedOut(f"{what}: nothing was heard for {quiet_seconds:g} s.", "It may still happen.")
                told = (done, size) if script.tells_sizes else (None, None)
                heard(LayerProgress(ids[number], LayerState.DOWNLOADING, *told))
                _pause(0.0 if per_second is None else _TICK_SECONDS, over, what)
            come += size
            self._layers[reference] = number + 1
            heard(LayerProgress(ids[number], LayerState.DONE, *((size, size) if script.tells_sizes else ())))


def _ender(hand: HandEnder | None) -> threading.Event:
    over = threading.Event()
    (hand or (lambda _end: None))(over.set)
    return over


def _pause(seconds: float, over: threading.Event, what: str) -> None:
    if over.wait(seconds) if seconds else over.is_set():
        raise WasEnded(f"{what} was ended.")


class _Act:
    """One call: refused by an absent engine, carried out but never answered by a frozen one."""

    def __init__(self, engine: FakeImages) -> None:
        self._engine = engine

    def __enter__(self) -> None:
        if self._engine.absent:
            raise Unavailable("No container engine answers.", "Start it, or set its address in the settings.")
        self._engine._lock.acquire()  # noqa: SLF001 - the other half of the class above

    def __exit__(self, *error: object) -> None:
        self._engine._lock.release()  # noqa: SLF001 - likewise
        if self._engine.frozen:
            raise TimedOut("The container engine did not answer within 10 s.", "It may still have done it.")
