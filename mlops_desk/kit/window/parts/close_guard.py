"""A form that is not left with what was typed into it lost: who closes it is asked first."""

from collections.abc import Callable, Hashable

from PySide6.QtWidgets import QWidget

from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.form import FormDialog


class GuardedForm(FormDialog):
    """``guard`` says what was typed, so that it is known whether anything was since the form stood as it begins."""

    def __init__(self, parent: QWidget | None, title: str, about: str, act: str, *, scrolls: bool = False) -> None:
        super().__init__(parent, title, about, act, scrolls=scrolls)
        self._typed_now: Callable[[], Hashable] = tuple
        self._began: Hashable = ()

    def guard(self, typed: Callable[[], Hashable]) -> None:
        """From now on, ask before what differs from what ``typed`` returns at this moment is lost."""
        self._typed_now, self._began = typed, typed()

    def reject(self) -> None:
        """Close; where something was typed, ask first. Escape, Cancel and the window's own cross come here."""
        if self._typed_now() == self._began:
            super().reject()
            return
        text = "What you typed here is not kept anywhere yet."
        ask(self, "Close without saving?", text, "Discard what I typed", lambda: super(GuardedForm, self).reject())
