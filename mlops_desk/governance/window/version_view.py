"""A tab that shows something of the version that is chosen: asked for when it is seen, and anew for another."""

from collections.abc import Callable
from typing import TypeVar

from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.parts.lazy_view import AskedView
from mlops_desk.kit.window.widgets.states import Empty

T = TypeVar("T")
_NONE = Empty("No version is chosen", "Versions of models that are registered can be chosen above.")


class GovernanceView(AskedView[T]):
    """``of_version`` is told which one is chosen; tabs that show something else hear nothing of it."""

    def of_version(self, version: str | None) -> None:
        """Hear which version is chosen, as MODEL/VERSION or MODEL@ALIAS."""

    def actions_here(self) -> list[Action]:
        return []


class ChosenVersionView(GovernanceView[T]):
    """Subclasses say how a version is asked for; ``version`` is None where none is chosen."""

    def __init__(self, context: Context, what: str, ask: Callable[[ClientLike, str], T]) -> None:
        super().__init__(context, what, lambda desk: ask(desk, self._asked_for()))
        self.version: str | None = None

    def _asked_for(self) -> str:
        return self.version or ""

    def of_version(self, version: str | None) -> None:
        if version == self.version:
            return
        self._stop()
        self.version, self.value = version, None
        self.look()

    def look(self) -> None:
        if self.version is None:
            self._tell_why_none()
            self._layers.setCurrentWidget(self.state)
            return
        super().look()

    def _tell_why_none(self) -> None:
        """Say why no version is chosen: there is none, they are asked for, or they can't be listed."""
        models, connection = self.context.store.models, self.context.store.connection
        if models.value is not None:
            self.state.show_empty(_NONE)
        elif models.error is not None and not models.loading:
            self.state.show_error("Versions can't be listed", models.error, lambda: self.context.load(Topic.MODELS))
        elif connection.state == "lost" and connection.error is not None:
            self.state.show_error(
                "The agent is not reachable", connection.error, lambda: self.context.load(Topic.MODELS)
            )
        else:
            self.state.show_loading("Loading versions …", "", lambda: self.context.cancel_load(Topic.MODELS))
