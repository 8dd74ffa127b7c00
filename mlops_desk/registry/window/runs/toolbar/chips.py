"""The views that a person keeps, as chips: a press shows one, its menu renames, replaces or removes it."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QMenu, QWidget

from mlops_desk.kit.window.look.text import set_tip
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.registry.window.runs.query import SavedView

if TYPE_CHECKING:
    from mlops_desk.registry.window.runs.toolbar.view_name_form import NameForm


class ViewChips(QWidget):
    """``chosen`` carries a view; ``saved`` asks to keep what is shown under a name, ``renamed`` old and new one."""

    chosen = Signal(object)
    saved = Signal(str)
    renamed = Signal(str, str)
    removed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._views: tuple[SavedView, ...] = ()
        self._buttons: dict[str, Button] = {}
        self._now: str | None = None
        self._flow = FlowLayout(self)
        self.setAccessibleName("Saved views")
        self.keep = Button("Save view …", tip="Keep this filter, its columns, order and grouping under a name")
        self.keep.clicked.connect(self.ask_name)
        self._flow.addWidget(self.keep)

    def show_views(self, views: Sequence[SavedView], now: str | None) -> None:
        """Show chips; ``now`` is the name of the view that is seen, None where it is none of them."""
        if tuple(views) != self._views:
            self._views = tuple(views)
            self._remake()
        self._now = now
        for name, button in self._buttons.items():
            button.setChecked(name == now)
        self.keep.setVisible(now is None)

    def _remake(self) -> None:
        self._flow.takeAt(self._flow.count() - 1)  # the button stays
        self._flow.clear()
        self._buttons = {}
        for view in self._views:
            button = Button(view.name)
            button.setCheckable(True)
            set_tip(button, view.filter or "all runs")
            button.clicked.connect(lambda _on, view=view: self._press(view))
            button.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
            button.customContextMenuRequested.connect(
                lambda place, view=view, button=button: self._open_menu(view, button.mapToGlobal(place))
            )
            self._buttons[view.name] = button
            self._flow.addWidget(button)
            button.show()
        self._flow.addWidget(self.keep)
        for first, following in pairwise((self.keep, *self._buttons.values(), self.keep)):
            self.setTabOrder(first, following)
        self.updateGeometry()

    def _press(self, view: SavedView) -> None:
        self._buttons[view.name].setChecked(True)
        self.chosen.emit(view)

    def _open_menu(self, view: SavedView, place: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for title, act in self.acts_on(view):
            menu.addAction(title).triggered.connect(act)
        menu.popup(place)

    def acts_on(self, view: SavedView) -> list[tuple[str, Callable[[], object]]]:
        """Return what can be done with a view."""
        return [
            ("Rename …", lambda: self.ask_name(view.name)),
            ("Replace by what is shown", lambda: self.saved.emit(view.name)),
            ("Remove", lambda: self.removed.emit(view.name)),
        ]

    def now(self) -> SavedView | None:
        """Return the view that is seen."""
        return next((one for one in self._views if one.name == self._now), None)

    def ask_name(self, old: object = None) -> "NameForm":
        """Ask for a name: of a new view, or of one that is there."""
        from mlops_desk.registry.window.runs.toolbar.view_name_form import NameForm  # noqa: PLC0415 - forms load once one is asked for

        before = old if isinstance(old, str) else ""
        form = NameForm(self, before)
        form.named.connect(lambda name: self.renamed.emit(before, name) if before else self.saved.emit(name))
        form.open()
        return form
