"""The way back of what was just done: the verb that the agent names, done when somebody presses Undo."""

from typing import TYPE_CHECKING

from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context

if TYPE_CHECKING:
    from mlops_desk.registry.records.undo import Undo


def offer_undo(context: Context, text: str, undo: "Undo | None") -> None:
    """Say what was done, with *Undo* beside it where there is a way back."""
    if undo is None:
        context.say("info", text)
        return
    context.offer(text, "Undo", lambda: take_back(context, undo))


def take_back(context: Context, undo: "Undo") -> None:
    """Do what takes it back; it is refused where somebody has changed the thing since."""
    context.ask("undo", lambda desk: _done(desk, undo), lambda _answer: context.say("info", "It is as it was before."))


def _done(desk: ClientLike, undo: "Undo") -> object:
    service, _, verb = undo.verb.partition(".")
    return getattr(getattr(desk, service), verb)(**undo.arguments)
