"""A revision that a template serves: which one, in which image, with the model's files as it wants them."""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mlops_desk.engines.engine import Engine
from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.serving.image.model_files import read_model
from mlops_desk.serving.progress import Tell
from mlops_desk.serving.records.own_image import GoldenRequest, OwnImage
from mlops_desk.serving.revision import PREPARED, Failed, Revision, Shelf
from mlops_desk.serving.runtimes.choice import AUTO
from mlops_desk.serving.templates.catalogue import RuntimeTemplate, RuntimeTemplates, filled, filled_all
from mlops_desk.serving.templates.conversion import Conversion, ModelForm, adapter, forms_of


class TemplateMaker:
    """Makes revisions by ``templates``. A revision keeps all that it is started by: the file may change afterwards."""

    def __init__(self, shelf: Shelf, templates: RuntimeTemplates, engine: Engine) -> None:
        self._shelf = shelf
        self._templates = templates
        self._engine = engine

    def is_for(self, revision: Revision, root: Path) -> bool:
        """Tell whether a template serves a version's files in ``root``: asked for, or as the only one that can.

        Raises DeskErrors and OSError.
        """
        if revision.wanted != AUTO:
            return bool(self._templates.meant(revision.wanted))
        with suppress(Invalid):
            read_model(root)
            return False
        return self._templates.fitting(self._templates.known(), forms_of(root), revision.gpus) is not None

    def make(self, revision: Revision, root: Path, tell: Tell) -> Revision:
        """Return the revision with its image and what it runs, of the version's files in ``root``. Raises Failed."""
        try:
            template, form = self._templates.chosen(revision.wanted, forms_of(root), revision.gpus)
            if obstacle := self._templates.obstacle(template, revision.gpus):
                raise Failed("runtime_missing", obstacle.message, None, obstacle.hint)
            reference = self._templates.image_of(template, revision.gpus) or ""
            tell("runtime", f"{template.name}: {plain(template.title)} serves the {form.word} model by {reference}")
            image = self._engine.image(reference)
            served = self._served(revision, template, form, root, reference)
            made = replace(revision, image=image.id, runtime=template.name, served=served, features=_features(root))
            return self._shelf.write(made)
        except DeskError as error:
            raise Failed("no_runtime", error.message, None, error.hint) from error
        except OSError as error:
            raise Failed("build_failed", f"What the runtime reads can't be written: {error}.") from error

    def _served(
        self, revision: Revision, template: RuntimeTemplate, form: ModelForm, root: Path, reference: str
    ) -> OwnImage:
        place = self._shelf.place(revision.endpoint, revision.number)
        folder, golden = form.folder, None
        if template.adapter is not None:
            folder = place / PREPARED
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o755)
            order = Conversion(
                form, root, folder, revision.endpoint, revision.version.version, has_gpus=bool(revision.gpus)
            )
            golden = adapter(template.adapter).prepare(order)
            _make_readable(folder)
        words = _words(revision, template, form)
        more = template.gpu_command if revision.gpus else template.cpu_command
        return OwnImage(
            reference=reference,
            port=template.port,
            health=filled(template.health, words),
            command=tuple(filled(one, words) for one in (*template.command, *more)),
            ready=None if template.ready is None else filled(template.ready, words),
            environment={name: filled(value, words) for name, value in template.environment.items()},
            mount=template.model,
            files=str(folder.relative_to(place)),
            golden=_golden(template, golden, words),
            relax=template.relax,
            never_run=template.never_run,
        )


def _words(revision: Revision, template: RuntimeTemplate, form: ModelForm) -> dict[str, str]:
    file = "" if form.file is None else f"{template.model}/{form.file.name}"
    return {
        "name": revision.endpoint, "model": template.model, "file": file, "port": str(template.port),
        "gpus": str(revision.gpus),
    }  # fmt: skip


def _golden(template: RuntimeTemplate, made: GoldenRequest | None, words: Mapping[str, str]) -> GoldenRequest | None:
    """Return the adapter's golden request, else the template's, which says what of an answer is compared."""
    told = template.golden
    if made is not None:
        return replace(made, compared=made.compared or told.compare)
    if told.path is None:
        return None
    body = json.dumps(filled_all(told.body, words)).encode()
    return GoldenRequest(filled(told.path, words), body, told.compare)


def _features(root: Path) -> tuple[LoggedFeature, ...]:
    with suppress(Invalid):  # no description of MLflow's: it names no columns
        return read_model(root).features
    return ()


def _make_readable(folder: Path) -> None:
    """Let the container read it whoever it runs as: for root's agent that is nobody, and an agent's umask is 077."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
