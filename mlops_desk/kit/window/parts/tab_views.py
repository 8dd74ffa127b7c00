"""The views of a pane with tabs: each made when it is first chosen, and told when it is no longer seen."""

from collections.abc import Callable
from typing import Generic, TypeVar

from PySide6.QtWidgets import QStackedWidget, QWidget


class TabView(QWidget):
    """One tab: it costs nothing while it is not seen. Subclasses have a method that shows them what is chosen."""

    def left(self) -> None:
        """Hear that it is no longer seen."""


V = TypeVar("V", bound=TabView)


class TabViews(QStackedWidget, Generic[V]):
    """``make`` makes the view of a tab by its key."""

    def __init__(self, make: Callable[[str], V]) -> None:
        super().__init__()
        self._make = make
        self._views: dict[str, V] = {}

    def view(self, key: str) -> V:
        """Return a tab's view, made when it is first asked for."""
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = self._make(key)
            self.addWidget(view)
        return view

    def turn(self, key: str) -> None:
        """Show a tab's view; the one that was seen hears that it is no longer."""
        view = self.view(key)
        self.leave(view)
        self.setCurrentWidget(view)

    def leave(self, to: QWidget) -> None:
        """Tell the view that is seen that ``to`` comes into its place."""
        before = self.currentWidget()
        if isinstance(before, TabView) and before is not to:
            before.left()

    def left(self) -> None:
        """Tell all of them that nothing is seen of them."""
        for view in self._views.values():
            view.left()
