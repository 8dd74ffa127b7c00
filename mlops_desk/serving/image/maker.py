"""Making a revision: the version's files fetched, and the image they need built or found again.

May be done again at any point: a revision that a dying agent left half made is simply made once more.
"""

import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from mlops_desk.engines import build_errors
from mlops_desk.engines.engine import Engine
from mlops_desk.kit.base import network
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.base.network import build_environment, network_of
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.image import image, machine
from mlops_desk.serving.image.model_files import ModelFiles, read_model
from mlops_desk.serving.image.requirements import requirements_of
from mlops_desk.serving.progress import Tell
from mlops_desk.serving.revision import Failed, Revision, Shelf, plain_lines, text_of
from mlops_desk.serving.runtimes import choice

_EVIDENCE_LINES = 15  # chosen: where no line is known for an error, the last ones tell most
_SAID = 300  # chosen: two or three lines of a terminal

Download = Callable[[ModelVersion, Path], Any]
FindTrained = Callable[[ModelVersion], tuple[str, str] | None]
"""Return the image's id and the job's of the job that trained a version; None where none of this desk did."""


class ServedElsewhere(Protocol):
    """Servers of others': which versions they serve, and what a revision of one is."""

    def is_for(self, revision: Revision, root: Path) -> bool:
        """Tell whether one serves a version's files in ``root``. Raises DeskErrors and OSError."""
        ...

    def make(self, revision: Revision, root: Path, tell: Tell) -> Revision:
        """Return the revision with its image and what it runs. Raises Failed."""
        ...


class Maker:
    """Turns a pending revision into model files and an image. ``download`` puts a version's files into a folder.

    ``elsewhere`` makes those that a server of others' serves.
    """

    def __init__(
        self,
        instance: str,
        shelf: Shelf,
        settings: SettingsStore,
        engine: Engine,
        download: Download,
        find_trained: FindTrained,
        elsewhere: ServedElsewhere,
    ) -> None:
        self._instance = instance
        self._shelf = shelf
        self._settings = settings
        self._engine = engine
        self._download = download
        self._find_trained = find_trained
        self._elsewhere = elsewhere
        self._building = threading.Lock()

    def make(self, revision: Revision, tell: Tell) -> Revision:
        """Return the revision with its features, runtime and image. Raises Failed."""
        version = revision.version
        if revision.served is not None and revision.runtime in {None, choice.IMAGE}:
            return self._as_it_is(revision, tell)
        tell("fetch", f"the files of {plain(version.name)}/{version.version} from the registry")
        folder = self._shelf.place(revision.endpoint, revision.number) / "model"
        self._fetch(version, folder)
        try:
            if self._elsewhere.is_for(revision, folder):
                return self._elsewhere.make(revision, folder, tell)
            files = read_model(folder)
        except DeskError as error:
            raise Failed("download_failed", error.message, None, error.hint) from error
        except OSError as error:
            raise Failed("download_failed", f"The model's files can't be read: {error}.") from error
        return self._with_image(replace(revision, features=files.features), files, self._order(revision), tell)

    def instead(self, revision: Revision, tell: Tell) -> Revision | None:
        """Return the revision with the image to try after the one that could not serve it; None: there is none."""
        if revision.served is not None:
            return None
        order = self._order(revision)
        left = order[order.index(revision.runtime) + 1 :] if revision.runtime in order else ()
        if revision.runtime != choice.TRAINING or not left:
            return None
        place = self._shelf.place(revision.endpoint, revision.number)
        return self._with_image(revision, read_model(place / "model"), left, tell)

    def _as_it_is(self, revision: Revision, tell: Tell) -> Revision:
        """Return the revision of an image that serves by itself: nothing is fetched and nothing is built."""
        tell("runtime", f"image: {plain(revision.version.name)} ({revision.version.version}) serves by itself")
        try:
            (self._shelf.place(revision.endpoint, revision.number) / "model").mkdir(exist_ok=True)  # it has no files
            return self._shelf.write(replace(revision, image=revision.version.source, runtime=choice.IMAGE))
        except OSError as error:
            raise Failed("build_failed", f"The revision can't be written down: {error}.") from error

    def trained(self, version: ModelVersion) -> choice.TrainingImage | None:
        """Return the image that a version was trained in. Raises Unavailable without an engine."""
        found = self._find_trained(version)
        if found is None:
            return None
        image_id, job_id = found
        try:
            self._engine.image(image_id)
        except NotFound:
            return choice.TrainingImage(image_id, job_id, is_here=False)
        return choice.TrainingImage(image_id, job_id, is_here=True)

    def _order(self, revision: Revision) -> tuple[str, ...]:
        try:
            return choice.order(revision.wanted, self.trained(revision.version))
        except DeskError as error:
            raise Failed("no_runtime", error.message, None, error.hint) from error

    def _with_image(self, revision: Revision, files: ModelFiles, order: tuple[str, ...], tell: Tell) -> Revision:
        trained = self.trained(revision.version)
        wanted = self._settings.text("serving.base_image")
        runtime = order[0]
        tell("runtime", choice.why(runtime, trained, wanted))
        if runtime == choice.BUILD and (missing := self._missing(wanted)) is not None:
            if choice.MACHINE not in order:
                raise Failed("base_missing", missing.message, None, missing.hint)
            tell("runtime", f"{missing.message} {missing.hint}")
            return self._with_image(revision, files, (choice.MACHINE,), tell)
        if runtime == choice.TRAINING and trained is not None:
            made = trained.id
        else:
            made = self._built(revision, files, wanted if runtime == choice.BUILD else None, tell)
        try:
            return self._shelf.write(replace(revision, image=made, runtime=runtime))
        except OSError as error:
            raise Failed("build_failed", f"The revision can't be written down: {error}.") from error

    def _missing(self, base: str) -> DeskError | None:
        """Return what keeps the base image from being had, with what to do about it; None where nothing does."""
        image.check_reference(base)
        try:
            self._engine.image(base)
        except NotFound:
            try:
                self._engine.ask_registry(base)
            except (NotFound, Unavailable, Refused) as error:
                text = f"The base image {plain(base)} is not at the engine, and its registry does not give it out"
                said = plain(error.message.removesuffix("."), _SAID)
                hint = Hint("mlops-desk settings set serving.base_image IMAGE", before="To use one that is there: ")
                return Unavailable(f"{text}: {said}.", hint)
        return None

    def _built(self, revision: Revision, files: ModelFiles, base: str | None, tell: Tell) -> str:
        """Return the tag of an image with the model's requirements, on ``base``, or None: this machine's own Python."""
        place = self._shelf.place(revision.endpoint, revision.number)
        limit = self._settings.number("serving.build_timeout_seconds")
        try:
            with self._building:  # two builds of the same tag at once would do the work twice
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
                recipe = image.Recipe(
                    base=base or machine.base(self._engine, self._instance, place, limit),
                    requirements=requirements_of(files),
                    wheelhouse=self._wheelhouse(),
                )
                recipe.check()
                tell("build", f"{len(recipe.requirements)} requirements, from {recipe.source}")
                return image.build(self._engine, self._instance, recipe, place, limit, self._way_out(place))
        except DeskError as error:
            raise self._failed(place, error) from error
        except OSError as error:
            raise Failed("build_failed", f"The image's files can't be written: {error}.") from error

    def _failed(self, place: Path, error: DeskError) -> Failed:
        """Return why a build failed: what its output names as the cause, and what to do about it."""
        text = text_of(place / "build.log") or ""
        shown = build_errors.evidence(text, _EVIDENCE_LINES)
        found = build_errors.causes(text)
        hint = error.hint
        if build_errors.is_network(text):
            before = "The package index does not answer. From a folder of wheels: "
            hint = Hint("mlops-desk settings set serving.wheelhouse /FOLDER", before=before)
        elif build_errors.lacks_python(text):
            before = "The base image has no Python with pip. Another one: "
            hint = Hint("mlops-desk settings set serving.base_image IMAGE", before=before)
        message = f"The image could not be built: {plain(found[-1], _SAID)}" if found else error.message
        return Failed("build_failed", message, plain_lines(shown), hint)

    def _fetch(self, version: ModelVersion, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700, parents=True)
            self._download(version, folder)
            _make_readable(folder)
        except DeskError as error:
            raise Failed("download_failed", error.message, None, error.hint) from error
        except OSError as error:
            raise Failed("download_failed", f"The model's files can't be written: {error}.") from error

    def _wheelhouse(self) -> Path | None:
        chosen = self._settings.text("serving.wheelhouse").strip()
        rules = network_of(self._settings)
        if not chosen and not rules.package_index:
            chosen = rules.wheelhouse
        return Path(chosen).expanduser() if chosen else None

    def _way_out(self, place: Path) -> dict[str, str]:
        """Return the way to the package index, with the certificates that are trusted there beside the image's."""
        rules = network_of(self._settings)
        file = place / "ca.pem" if rules.ca_bundle else None
        if file is not None:
            file.write_bytes(network.with_usual(network.read_bundle(rules.ca_bundle)))
        return build_environment(rules, os.environ, None if file is None else str(file))


def _make_readable(folder: Path) -> None:
    """Let the container's user read the model's files; the data folder above keeps everybody else out."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
