"""The questions before an image is removed, and before a pull or build is ended: each says what it costs."""

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.images.card import ImageCard
from mlops_desk.records.images.task import ImageTask, TaskKind
from mlops_desk.ui.images import words
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.widgets.confirmation import ask
from mlops_desk.ui.words import numbers

_NAMED = 4  # chosen: what one still reads in a sentence


def ask_to_remove(parent: QWidget, context: Context, image: ImageCard, engine: str) -> None:
    """Look anew what needs the image; ask where nothing does, and say what would break where something does."""
    identifier = image.id

    def found(now: ImageCard) -> None:
        if now.used_by:
            context.complain(DeskError(broken(now), "Remove or stop what needs it first."))
            return
        title = f"Remove {plain(words.listed_name(now), 60)}?"
        ask(parent, title, loss(now), "Remove image", lambda: _remove(context, identifier, engine))

    context.ask("what needs the image", lambda desk: desk.images.show(identifier, engine=engine), found)


def _remove(context: Context, identifier: str, engine: str) -> None:
    def done(gone: ImageCard) -> None:
        freed = f" {numbers.size(gone.own_bytes)} are free again." if gone.own_bytes is not None else ""
        context.say("info", f"{plain(words.listed_name(gone), 80)} is removed.{freed}")

    context.ask("remove image", lambda desk: desk.images.remove(identifier, engine=engine), done)


def broken(image: ImageCard) -> str:
    """Say what would not work any more without an image."""
    named = [f"{words.kind(user).lower()} {plain(user.name, 40)}" for user in image.used_by[:_NAMED]]
    more = f" and {len(image.used_by) - _NAMED:,} more" if len(image.used_by) > _NAMED else ""
    needs = "needs" if len(image.used_by) == 1 else "need"
    return f"{plain(words.listed_name(image), 60)} can't go: {', '.join(named)}{more} {needs} it."


def loss(image: ImageCard) -> str:
    """Say what goes with an image, and how it comes back."""
    parts = ["Nothing needs it now."]
    if len(image.tags) > 1:
        parts.append(f"All its {len(image.tags)} names go with it: {_list(image.tags)}.")
    if image.own_bytes is not None:
        shared = " what it shares with others stays." if image.shared_bytes else ""
        parts.append(f"{numbers.size(image.own_bytes)} become free{';' if shared else '.'}{shared}")
    if image.origin == "built" or not image.digests:
        parts.append("It was built on this machine: it comes back only by building it again.")
    else:
        parts.append("A job that asks for it later waits until it is pulled again.")
    return " ".join(parts)


def _list(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(plain(name, 60) for name in names[:_NAMED]) + more


def ask_to_cancel(parent: QWidget, context: Context, task: ImageTask) -> None:
    """Ask before a pull or build is ended."""
    is_pull = task.kind is TaskKind.PULL
    waiting = f" {numbers.count(len(task.jobs), 'job')} that wait for it stay blocked." if task.jobs else ""
    kept = "Layers that are finished stay: they are not fetched again." if is_pull else "What is built stays cached."
    ask(
        parent,
        f"Cancel the {'pull' if is_pull else 'build'} of {plain(task.reference, 60)}?",
        f"{kept}{waiting}",
        "Cancel pull" if is_pull else "Cancel build",
        lambda: _cancel(context, task.id),
    )


def _cancel(context: Context, identifier: str) -> None:
    context.ask("cancel", lambda desk: desk.images.cancel(identifier), lambda _task: None)
