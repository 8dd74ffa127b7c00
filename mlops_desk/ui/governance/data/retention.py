"""What a retention would delete, shown first and then applied by exactly what was shown."""

from collections.abc import Callable

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.data.retention import RetentionDone, RetentionPlan
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.widgets.confirmation import ask
from mlops_desk.ui.words import numbers

_NAMED = 8  # chosen: what a question still lists


class Retention:
    """``say`` is told how far it is, ``done`` that something is gone."""

    def __init__(
        self, parent: QWidget, context: Context, say: Callable[[str, str], None], done: Callable[[], None]
    ) -> None:
        self._parent, self._context = parent, context
        self._say, self._done = say, done

    def preview(self) -> None:
        """Show what is older than it is to be kept; nothing is deleted by that."""
        self._say("Looking what is older than it is to be kept …", "muted")
        self._context.ask("retention", lambda desk: desk.data.retention(), self._planned, self._failed)

    def _planned(self, plan: RetentionPlan) -> None:
        self._say(plan_words(plan), "text")
        if not plan.items:
            return
        token = plan.token
        shown = "\n".join(f"{plain(one.dataset, 60)}: {plain(one.path, 120)}" for one in plan.items[:_NAMED])
        more = f"\n… and {len(plan.items) - _NAMED} more" if len(plan.items) > _NAMED else ""
        text = f"{plan_words(plan)}\n\n{shown}{more}\n\nExactly these files are deleted. There is no way back."
        ask(self._parent, "Delete what is too old?", text, "Delete files", lambda: self._retain(token))

    def _retain(self, token: str) -> None:
        self._say("Deleting …", "muted")
        self._context.ask("retain", lambda desk: desk.data.retain(token), self._retained, self._failed)

    def _retained(self, done: RetentionDone) -> None:
        left = "".join(f" {plain(one.path, 80)} is still there: {plain(one.why, 120)}." for one in done.left[:_NAMED])
        gone = f"{numbers.count(done.files, 'file')} with {numbers.size(done.size_bytes)} are gone."
        self._say(f"{numbers.WARNING if done.left else numbers.OK} {gone}{left}", "warning" if done.left else "ok")
        self._done()

    def _failed(self, error: DeskError) -> None:
        self._say(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip(), "alert")


def plan_words(plan: RetentionPlan) -> str:
    """Say what a retention would delete, what is kept all the same, and what could not be looked at."""
    parts = [f"{numbers.count(plan.files, 'file')} with {numbers.size(plan.size_bytes)} are older than they are kept."
             if plan.items else "Nothing is older than it is to be kept."]  # fmt: skip
    parts += [f"{plain(one.dataset, 60)} stays: {plain(one.why, 160)}." for one in plan.held[:_NAMED]]
    if plan.unset:
        names = plain(", ".join(plan.unset[:_NAMED]), 300)
        parts.append(f"Of {numbers.count(len(plan.unset), 'data set')} nobody has said how long: {names}.")
    parts += [f"{numbers.UNKNOWN} {plain(one, 200)}" for one in plan.missing[:_NAMED]]
    return " ".join(parts)
