"""What a version can be served by, in the order of choice, and what stands against each."""

from collections.abc import Callable

from mlops_desk.base.errors import DeskError
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.serving.runtime_choice import RuntimeChoice
from mlops_desk.serving.runtimes import choice
from mlops_desk.serving.templates.catalogue import BrokenTemplate, RuntimeTemplates

FindImage = Callable[[ModelVersion], choice.TrainingImage | None]
"""Return the image that a version was trained in. Raises Unavailable."""
_OWN = {
    choice.TRAINING: ("the image that it was trained in", "No build, no network."),
    choice.BUILD: ("an image built of its requirements", "On the base image from the settings."),
    choice.MACHINE: ("an image built on this machine's own Python", "Where no registry gives a base image out."),
}


def choices(
    trained: FindImage, templates: RuntimeTemplates, version: ModelVersion | None, gpus: int | None
) -> list[RuntimeChoice]:
    """Return all runtimes, for a ``version`` where one is named. Raises Unavailable."""
    first = RuntimeChoice(choice.TRAINING, *_OWN[choice.TRAINING], obstacle=_training_obstacle(trained, version))
    built = [RuntimeChoice(word, *_OWN[word]) for word in (choice.BUILD, choice.MACHINE)]
    return [first, *built, *_of_templates(templates, gpus)]


def _training_obstacle(trained: FindImage, version: ModelVersion | None) -> Reason | None:
    if version is None:
        return None
    try:
        choice.order(choice.TRAINING, trained(version))
    except DeskError as error:
        return _reason(error)
    return None


def _of_templates(templates: RuntimeTemplates, gpus: int | None) -> list[RuntimeChoice]:
    found = []
    for one in templates.all():
        if isinstance(one, BrokenTemplate):
            found.append(RuntimeChoice(one.name, one.name, "", obstacle=_reason(one.error)))
            continue
        obstacle = templates.obstacle(one, gpus)
        about = f"For {' and '.join(one.serves)} models. {one.help}"
        told = None if obstacle is None else _reason(obstacle)
        image = templates.image_of(one, gpus)
        found.append(RuntimeChoice(one.name, one.title, about, image, told, one.never_run, tuple(one.serves)))
    return found


def _reason(error: DeskError) -> Reason:
    return Reason("not_possible", error.message, None, error.hint)
