"""The way back of a clean-up: what went is told with *Undo* beside it, for as long as runs can be brought back."""

from collections.abc import Callable, Sequence

from mlops_desk.records.registry.clean_up import CleanUpDone
from mlops_desk.records.registry.labels import RunStage
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.settings.registries.cleaning import words


class CleanUpUndo:
    """Outlives the dialog; ``changed`` is called once runs are there again."""

    def __init__(self, context: Context, registry: str, changed: Callable[[], None]) -> None:
        self._context = context
        self._uri = registry
        self._changed = changed

    def offer(self, done: CleanUpDone) -> None:
        """Say what went, and offer to bring its runs back."""
        said, undo = words.went(done), done.undo
        if undo is None:
            self._context.say("info", said)
        else:
            self._context.offer(said, "Undo", lambda: self._bring_back(undo.split()))

    def _bring_back(self, run_ids: list[str]) -> None:
        uri = self._uri
        self._context.ask("bring runs back", lambda desk: desk.runs.restore(run_ids, uri=uri), self._told)

    def _told(self, stages: Sequence[RunStage]) -> None:
        self._context.say(*words.came_back(stages))
        self._changed()
