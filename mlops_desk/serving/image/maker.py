"""Making a revision: the version's files fetched, and the image they need built or found again.

May be done again at any point: a revision that a dying agent left half made is simply made once more.
"""

import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import DeskError
from mlops_desk.base.network import certificates
from mlops_desk.base.network.rules import network_of
from mlops_desk.base.network.ways import build_environment
from mlops_desk.base.settings import SettingsStore
from mlops_desk.engines.engine import Engine
from mlops_desk.records.model import ModelVersion
from mlops_desk.serving.image import image
from mlops_desk.serving.image.model_files import ModelFiles, read_model
from mlops_desk.serving.image.requirements import serving_requirements
from mlops_desk.serving.revision import Failed, Revision, Shelf, tail_of

_EVIDENCE_LINES = 15  # chosen: pip names what failed in its last lines

Download = Callable[[ModelVersion, Path], Any]


class Maker:
    """Turns a pending revision into model files and an image. ``download`` puts a version's files into a folder."""

    def __init__(
        self, instance: str, shelf: Shelf, settings: SettingsStore, engine: Engine, download: Download
    ) -> None:
        self._instance = instance
        self._shelf = shelf
        self._settings = settings
        self._engine = engine
        self._download = download
        self._building = threading.Lock()

    def make(self, revision: Revision) -> Revision:
        """Return the revision with its image and features. Raises Failed."""
        place = self._shelf.place(revision.endpoint, revision.number)
        files = self._fetch(revision.version, place / "model")
        try:
            recipe = image.Recipe(
                base=self._settings.text("serving.base_image"),
                requirements=serving_requirements(files.requirements, files.mlflow_version),
                wheelhouse=self._wheelhouse(),
            )
            with self._building:  # two builds of the same tag at once would do the work twice
                limit = self._settings.number("serving.build_timeout_seconds")
                tag = image.build(self._engine, self._instance, recipe, place, limit, self._way_out(place))
            return self._shelf.write(replace(revision, image=tag, features=files.features))
        except DeskError as error:
            evidence = tail_of(place / "build.log", _EVIDENCE_LINES)
            raise Failed("build_failed", error.message, evidence, error.hint) from error
        except OSError as error:
            raise Failed("build_failed", f"The image's files can't be written: {error}.") from error

    def _fetch(self, version: ModelVersion, folder: Path) -> ModelFiles:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700, parents=True)
            self._download(version, folder)
            files = read_model(folder)
            _make_readable(folder)
        except DeskError as error:
            raise Failed("download_failed", error.message, None, error.hint) from error
        except OSError as error:
            raise Failed("download_failed", f"The model's files can't be written: {error}.") from error
        return files

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
            file.write_bytes(certificates.with_usual(certificates.read_bundle(rules.ca_bundle)))
        return build_environment(rules, os.environ, None if file is None else str(file))


def _make_readable(folder: Path) -> None:
    """Let the container's user read the model's files; the data folder above keeps everybody else out."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
