"""A few views of one page to choose from, as buttons in a row; arrow keys go from one to the next."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QWidget
from shiboken6 import isValid

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.flow import FlowLayout


class Tabs(QWidget):
    """``chosen`` carries the key of the view."""

    accessible_role = Role.PageTabList

    chosen = Signal(str)

    def __init__(self, name: str, views: tuple[tuple[str, str], ...], *, wrap: bool = False) -> None:
        """``wrap``: where there is no room for all side by side, the row goes on below."""
        super().__init__()
        self.setAccessibleName(name)
        self._titles = dict(views)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, Button] = {}
        row = FlowLayout(self) if wrap else QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_4)
        for key, title in views:
            button = Button(title)
            button.setCheckable(True)
            button.accessible_role = Role.PageTab
            button.toggled.connect(lambda on, key=key: self._turn(key) if on else None)
            self._group.addButton(button)
            self._buttons[key] = button
            row.addWidget(button)

    def _turn(self, key: str) -> None:
        """Let Tab stop at the view that is seen, however it was turned to, and at no other."""
        for other, button in self._buttons.items():
            policy = Qt.FocusPolicy.StrongFocus if other == key else Qt.FocusPolicy.ClickFocus
            button.setFocusPolicy(policy)
        window = self.window()
        before = _with_keys(window)
        had_keys = before is not None and before.isVisibleTo(window)
        self.chosen.emit(key)
        if had_keys and before is not None:
            self._keep_keys(before, key)

    def _keep_keys(self, before: QWidget, key: str) -> None:
        """Take the keys where what had them is not seen any more: Qt hands them to whatever comes next."""
        window, place = self.window(), self.parentWidget()
        now = _with_keys(window)
        is_here = now is not None and place is not None and place.isAncestorOf(now)
        if not is_here and not (isValid(before) and before.isVisibleTo(window)):
            self._buttons[key].setFocus(Qt.FocusReason.OtherFocusReason)

    def choose(self, key: str) -> None:
        self._buttons[key].setChecked(True)

    def offer(self, key: str, *, shown: bool) -> None:
        """Offer a view or not; where one is seen that no longer makes sense, the first one is."""
        self._buttons[key].setVisible(shown)
        if not shown and self.current() == key:
            self.choose(next(iter(self._buttons)))

    def current(self) -> str:
        return next((key for key, button in self._buttons.items() if button.isChecked()), "")

    def count(self, key: str, amount: int | None) -> None:
        """Put a number behind a view's title."""
        title = self._titles[key] if amount is None else f"{self._titles[key]}  {amount}"
        button = self._buttons[key]
        if button.text() != title:
            button.show_title(title)
            button.updateGeometry()


def _with_keys(window: QWidget) -> QWidget | None:
    """Return what of a window has the keys; Qt's types don't say that there may be nothing."""
    return window.focusWidget()
