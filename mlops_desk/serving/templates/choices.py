"""What a version can be served by, in the order of choice, and what stands against each."""

from collections.abc import Callable, Sequence

from mlops_desk.base.errors import DeskError, Refused
from mlops_desk.base.text import plain
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.serving.runtime_choice import RuntimeChoice
from mlops_desk.serving.runtimes import choice
from mlops_desk.serving.templates.catalogue import BrokenTemplate, RuntimeTemplates
from mlops_desk.serving.templates.template import RuntimeTemplate

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
