"""Which image serves a version, in which order it is tried, and what stands against each. Pure.

First the image that it was trained in: it holds all that the model needs, so nothing is built and no network is asked.
Then one that is built of the model's requirements, on the base from the settings; then on this machine's own Python.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.kit.base.text import plain

AUTO = "auto"
TRAINING = "training"
BUILD = "build"
MACHINE = "machine"
IMAGE = "image"
"""An image that serves by itself; nobody asks for it by this word."""
_SHORT = 19  # "sha256:" and twelve figures, as engines show an id


@dataclass(frozen=True, slots=True)
class TrainingImage:
    """The image that the job of a version's run had: its id at the engine, and whether it is still there."""

    id: str
    job_id: str
    is_here: bool

    @property
    def short(self) -> str:
        return short(self.id)


def short(image: str) -> str:
    """Return an image as engines show it: of an id its first figures, a name as it is."""
    return image[:_SHORT] if image.startswith("sha256:") else image


def order(wanted: str, trained: TrainingImage | None, templates: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the runtimes to try, the first first. Raises Invalid (a word that is none), Refused (what can't be)."""
    if wanted == AUTO:
        return (*((TRAINING,) if trained is not None and trained.is_here else ()), BUILD, MACHINE)
    if wanted == TRAINING:
        _check_training(trained)
    elif wanted not in {BUILD, MACHINE, *templates}:
        words = ", ".join((AUTO, TRAINING, BUILD, MACHINE, *templates))
        raise Invalid(f"{plain(wanted, 40)!r} is no runtime.", f"There are: {words}.")
    return (wanted,)


def _check_training(trained: TrainingImage | None) -> None:
    instead = "With --runtime build an image is made of the model's requirements."
    if trained is None:
        raise Refused("No job of this desk has trained this version, so its training image is not known.", instead)
    if not trained.is_here:
        raise Refused(f"The image of job {trained.job_id} ({trained.short}) is not at the engine any more.", instead)


def why(runtime: str, trained: TrainingImage | None, base: str) -> str:
    """Say why a runtime is taken, for whoever watches the deployment."""
    if runtime == TRAINING and trained is not None:
        return f"training: the image of job {trained.job_id} ({trained.short}), no build, no network"
    if runtime == MACHINE:
        return "machine: an image is built on this machine's own Python"
    if runtime == BUILD:
        return f"build: an image is built of the model's requirements on {plain(base, 100)}"
    return f"{runtime}: as was asked for"
