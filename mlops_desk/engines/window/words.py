"""Images, and pulls and builds of them, in words. No Qt here."""

from collections.abc import Iterable

from mlops_desk.engines.records.image import ImageCard, ImageUser, UserKind
from mlops_desk.engines.records.task import BuilderName, ImageTask, LayerProgress, LayerState, TaskKind, TaskState
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import Mark

SHOWN_SECONDS = 3600.0  # chosen: of what came so long ago nobody asks any more
FAILED_SECONDS = 86_400.0  # chosen: what broke in the night is seen in the morning
_SHORT = 12  # characters of an id, as engines show them

_STATES = {
    TaskState.WAITING: Mark("muted", numbers.IDLE, "waits"),
    TaskState.DONE: Mark("ok", numbers.OK, "done"),
    TaskState.FAILED: Mark("alert", numbers.ALERT, "failed"),
    TaskState.CANCELLED: Mark("muted", numbers.IDLE, "cancelled"),
    TaskState.INTERRUPTED: Mark("warning", numbers.WARNING, "interrupted"),
}
_BROKEN = frozenset({TaskState.FAILED, TaskState.INTERRUPTED})
_LAYERS = {
    LayerState.WAITING: "waits",
    LayerState.DOWNLOADING: "downloads",
    LayerState.VERIFYING: "is verified",
    LayerState.EXTRACTING: "is unpacked",
    LayerState.DONE: "done",
    LayerState.PRESENT: "was there",
}
_KINDS = {UserKind.CONTAINER: "Container", UserKind.JOB: "Job", UserKind.QUEUED_JOB: "Queued job",
          UserKind.ENDPOINT: "Endpoint", UserKind.DESK: "Desk"}  # fmt: skip
_BUILDERS = {
    BuilderName.BUILDKIT: "BuildKit",
    BuilderName.CLASSIC: "Docker's classic builder",
    BuilderName.PODMAN: "Podman",
}
_ORIGINS = {"pulled": "this desk, which pulled it", "built": "this desk, which built it"}


def short_id(identifier: str) -> str:
    """Return the beginning of an id or a digest, by which people tell it."""
    return identifier.rpartition("@")[2].removeprefix("sha256:")[:_SHORT]


def listed_name(image: ImageCard) -> str:
    """Return an image's first name, with how many more it has; one without any is told by its id."""
    names = len(image.tags)
    if not names:
        return image.digests[0].partition("@")[0] if image.digests else "(no name)"
    return image.tags[0] if names == 1 else f"{image.tags[0]}  +{names - 1}"


def used(image: ImageCard) -> str:
    """Return what needs an image in a few words: ``2 jobs, 1 container``."""
    return used_by(image.used_by) or numbers.NOTHING


def used_by(users: Iterable[ImageUser]) -> str:
    """Count what needs something, by its kind."""
    counts: dict[str, int] = {}
    for user in users:
        word = "job" if user.kind in {UserKind.JOB, UserKind.QUEUED_JOB} else str(user.kind)
        counts[word] = counts.get(word, 0) + 1
    return ", ".join(numbers.count(count, word) for word, count in counts.items())


def kind(user: ImageUser) -> str:
    return _KINDS.get(user.kind, str(user.kind))


def origin(image: ImageCard) -> str:
    """Return what brought an image here."""
    told = _ORIGINS.get(image.origin)
    if told is None:
        return "somebody else, not this desk"
    return f"{told} for {image.user}" if image.user else told


# Pulls and builds.


def builder(name: BuilderName) -> str:
    return _BUILDERS[name]


def is_shown(task: ImageTask, now: float | None = None) -> bool:
    """Tell whether a pull or build still stands in the list: under way, or over for a while."""
    current = agent_clock.now() if now is None else now
    long = FAILED_SECONDS if task.state in _BROKEN else SHOWN_SECONDS
    return not task.state.is_final or current - (task.ended_at or task.started_at) < long


def mark(task: ImageTask) -> Mark:
    """Return how a pull or build stands."""
    if task.state is TaskState.RUNNING:
        return Mark("info", numbers.INFO, "pulling" if task.kind is TaskKind.PULL else "building")
    return _STATES.get(task.state, Mark("unknown", numbers.UNKNOWN, str(task.state)))


def title(task: ImageTask) -> str:
    return f"{'Pull of' if task.kind is TaskKind.PULL else 'Build of'} {task.reference}"


def share(task: ImageTask) -> float | None:
    """Return how much of it is done, 0-1: of its bytes, else of its layers or steps; None where nobody knows."""
    if task.state is TaskState.DONE:
        return 1.0
    if task.kind is TaskKind.BUILD:
        step = task.step
        return None if step is None or not step.count else (step.number - 1) / step.count
    if task.done_bytes is None or not task.total_bytes:
        return task.layers_done / task.layers_count if task.layers_count else None
    return min(task.done_bytes / task.total_bytes, 1.0)


def progress(task: ImageTask) -> str:
    """Return how far it is: ``43 % of 4.9 GiB``, ``3 of 12 layers``, ``step 3 of 9``; nothing where nobody knows."""
    if task.kind is TaskKind.BUILD:
        step = task.step
        if step is None:
            return ""
        return f"step {step.number}" + (f" of {step.count}" if step.count else "")
    part = share(task)
    if part is not None and task.total_bytes and task.done_bytes is not None:
        return f"{numbers.percent(part)} of {numbers.size(task.total_bytes)}"
    counted = f"{task.layers_done} of {numbers.count(task.layers_count, 'layer')}" if task.layers_count else ""
    got = numbers.size(task.done_bytes) if task.done_bytes else ""
    return ", ".join(filter(None, (counted, got)))


def pace(task: ImageTask) -> str:
    """Return how fast it goes and what is left: ``84 MB/s, 35 s left``."""
    if task.state is not TaskState.RUNNING:
        return ""
    speed = numbers.byte_rate(task.bytes_per_second) if task.bytes_per_second is not None else ""
    left = f"{numbers.duration(task.eta_seconds)} left" if task.eta_seconds is not None else ""
    return ", ".join(filter(None, (speed, left)))


def layer_share(layer: LayerProgress) -> float | None:
    if layer.state in {LayerState.DONE, LayerState.PRESENT}:
        return 1.0
    if layer.state is LayerState.WAITING:
        return 0.0
    if layer.done_bytes is None or not layer.total_bytes:
        return None
    return layer.done_bytes / layer.total_bytes


def layer(one: LayerProgress) -> str:
    """Return where a layer stands: ``downloads, 12 / 60 MiB``."""
    word = _LAYERS.get(one.state, str(one.state))
    moving = one.state in {LayerState.DOWNLOADING, LayerState.EXTRACTING}
    if moving and one.total_bytes:
        return f"{word}, {numbers.size_of(one.done_bytes, one.total_bytes)}"
    return f"{word}, {numbers.size(one.total_bytes)}" if one.total_bytes else word
