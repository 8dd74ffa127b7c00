"""The verb about what endpoints can be served by, which the service has from here.

What a version can be served by, in the order of choice, and what stands against each.
"""

from abc import ABC
from collections.abc import Callable, Sequence

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import DeskError, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.image.maker import Maker
from mlops_desk.serving.operations.fit import Weigh
from mlops_desk.serving.records.runtime_choice import RuntimeChoice
from mlops_desk.serving.replicas import check_gpus
from mlops_desk.serving.runtimes import choice
from mlops_desk.serving.templates.catalogue import BrokenTemplate, RuntimeTemplate, RuntimeTemplates

FindImage = Callable[[ModelVersion], choice.TrainingImage | None]
"""Return the image that a version was trained in. Raises Unavailable."""
_OWN = {
    choice.TRAINING: ("the image that it was trained in", "No build, no network."),
    choice.BUILD: ("an image built of its requirements", "On the base image from the settings."),
    choice.MACHINE: ("an image built on this machine's own Python", "Where no registry gives a base image out."),
}


def choices(
    trained: FindImage,
    templates: RuntimeTemplates,
    version: ModelVersion | None,
    gpus: int | None,
    formats: Sequence[str] | None = None,
) -> list[RuntimeChoice]:
    """Return all runtimes, for a ``version`` where one is named, whose files are kept in ``formats`` (None: unknown).

    Raises Unavailable.
    """
    first = RuntimeChoice(choice.TRAINING, *_OWN[choice.TRAINING], obstacle=_training_obstacle(trained, version))
    built = [RuntimeChoice(word, *_OWN[word]) for word in (choice.BUILD, choice.MACHINE)]
    return [first, *built, *_of_templates(templates, gpus, formats)]


def _training_obstacle(trained: FindImage, version: ModelVersion | None) -> Reason | None:
    if version is None:
        return None
    try:
        choice.order(choice.TRAINING, trained(version))
    except DeskError as error:
        return _reason(error)
    return None


def _of_templates(templates: RuntimeTemplates, gpus: int | None, formats: Sequence[str] | None) -> list[RuntimeChoice]:
    found = []
    for one in templates.all():
        if isinstance(one, BrokenTemplate):
            found.append(RuntimeChoice(one.name, one.name, "", obstacle=_reason(one.error)))
            continue
        obstacle = _other_files(one, formats) or templates.obstacle(one, gpus)
        about = f"For {' and '.join(one.serves)} models. {one.help}"
        told = None if obstacle is None else _reason(obstacle)
        image = templates.image_of(one, gpus)
        found.append(RuntimeChoice(one.name, one.title, about, image, told, one.never_run, tuple(one.serves)))
    return found


def _other_files(template: RuntimeTemplate, formats: Sequence[str] | None) -> DeskError | None:
    """Return that a runtime serves no files of the kind; None where it does, or nobody knows what files they are."""
    if not formats or any(form in formats for form in template.serves):
        return None
    there = ", ".join(map(plain, formats))
    text = f"{template.title} serves {' and '.join(template.serves)} models, and this version's files are {there}."
    return Refused(text, "Choose another runtime.")


def _reason(error: DeskError) -> Reason:
    return Reason("not_possible", error.message, None, error.hint)


class RuntimeVerbs(ABC):
    """Stands on what the service has made."""

    _maker: Maker
    _templates: RuntimeTemplates
    _resolve: Callable[[str], ModelVersion]
    _weigh: Weigh

    def _check_runtime(self, wanted: str, version: ModelVersion, gpus: int | None) -> None:
        """Raise Invalid (a word that is no runtime), Refused (one that can't be had) and Unavailable."""
        choice.order(wanted, self._maker.trained(version), self._templates.words())
        self._templates.check(wanted, gpus)

    def runtimes(self, model: str | None = None, gpus: int | None = None) -> list[RuntimeChoice]:
        """List what a version, or any, can be served by; raises Invalid, NotFound, Unavailable."""
        version = None if model is None else self._resolve(model)
        formats = None if version is None else self._formats(version)
        return choices(self._maker.trained, self._templates, version, check_gpus(gpus), formats)

    def _formats(self, version: ModelVersion) -> tuple[str, ...] | None:
        """Return how a version's files are kept; None where nobody can tell, which stands against no runtime."""
        try:
            return self._weigh(version).formats
        except DeskError:
            return None
