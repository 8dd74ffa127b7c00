"""Tag, describe and delete runs; each is done by the agent, and the notice that says so has a button to undo it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from PySide6.QtWidgets import QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.registry.labels import Labels, RunStage
from mlops_desk.records.registry.undo import Undo
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.runs.acts.forms import DescriptionForm, TagForm
from mlops_desk.ui.runs.asking import RunStory
from mlops_desk.ui.widgets import confirmation
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.ui.words import numbers
from mlops_desk.verbs.desk import ClientLike

_MOST_NAMED = 5  # chosen: of runs that are to go; more are counted


class RunActs:
    """``changed`` is called once something has changed."""

    def __init__(self, parent: QWidget, context: Context, changed: Callable[[], None]) -> None:
        self._parent = parent
        self._context = context
        self._changed = changed

    def tag(self, story: RunStory, uri: str | None) -> TagForm:
        """Ask for a tag and write it, unless it was changed meanwhile."""
        form = TagForm(self._parent, story)
        run_id = story.run.run_id

        def write(key: str, value: str | None, expected: str) -> None:
            self._do(form, f"The tag {plain(key, 40)} is written.",
                     lambda desk: desk.runs.tag(run_id, key, value, uri, expected))  # fmt: skip

        form.written.connect(write)
        form.open()
        return form

    def describe(self, story: RunStory, uri: str | None) -> DescriptionForm:
        """Ask for a description and write it, unless it was changed meanwhile."""
        form = DescriptionForm(self._parent, story)
        run_id = story.run.run_id

        def write(text: str, expected: str) -> None:
            self._do(form, "The description is written.",
                     lambda desk: desk.runs.describe(run_id, text, uri, expected))  # fmt: skip

        form.written.connect(write)
        form.open()
        return form

    def _do(self, form: FormDialog, said: str, call: Callable[[ClientLike], Labels]) -> None:
        def done(labels: Labels) -> None:
            form.accept()
            self._tell(said, labels.undo)

        self._context.ask("write on a run", call, done, form.fail)

    def delete(self, runs: Sequence[tuple[str, str]], uri: str | None) -> confirmation.Confirm:
        """Ask, and delete runs (id and name each)."""
        named = ", ".join(plain(name, 40) for _id, name in runs[:_MOST_NAMED])
        more = f" and {len(runs) - _MOST_NAMED:,} more" if len(runs) > _MOST_NAMED else ""
        text = (
            f"{named}{more}. They can be brought back until somebody purges the store (mlflow gc). "
            "Runs that still go on are left."
        )
        ids = [run_id for run_id, _name in runs]
        title = f"Delete {numbers.count(len(runs), 'run')}?"
        return confirmation.ask(self._parent, title, text, "Delete", partial(self._delete, ids, uri))

    def _delete(self, ids: list[str], uri: str | None) -> None:
        self._context.ask("delete runs", lambda desk: desk.runs.delete(ids, uri), self._deleted)

    def _deleted(self, stages: Sequence[RunStage]) -> None:
        gone = [one for one in stages if one.changed]
        left = [one for one in stages if one.problem is not None]
        said = f"{numbers.count(len(gone), 'run was', 'runs were')} deleted."
        if left:
            said += f" {len(left):,} left: {plain(left[0].problem or '', 200)}"
        self._tell(said, next((one.undo for one in stages if one.undo is not None), None))

    def _tell(self, said: str, undo: Undo | None) -> None:
        if undo is None:
            self._context.say("info", said)
        else:
            self._context.offer(said, "Undo", partial(self._undo, undo))
        self._changed()

    def _undo(self, undo: Undo) -> None:
        def back(_answer: object) -> None:
            self._context.say("info", "It is as it was before.")
            self._changed()

        self._context.ask("undo", partial(_carry_out, undo), back)


def _carry_out(undo: Undo, desk: ClientLike) -> object:
    """Ask for the verb that takes something back."""
    service, _, verb = undo.verb.partition(".")
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in undo.arguments.items()}
    act: Any = getattr(getattr(desk, service), verb)
    done: object = act(**given)
    return done
