"""Below a field in which one types a question: what is wrong with it, and a mark at the place where it is."""

from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import announce
from mlops_desk.kit.window.look.text import Label

_BEFORE, _AFTER = 30, 30  # chosen: characters beside the place, by which one finds it again
_CARET = "▲"


class CaretLine(QWidget):
    """Hidden while nothing is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.around = Label(fixed=True, tone="muted")
        self.mark = Label(fixed=True, tone="alert")
        self.says = Label(points=theme.CAPTION_POINTS, tone="alert", wrap=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_8, 0, 0, 0)
        column.setSpacing(0)
        for label in (self.around, self.mark, self.says):
            column.addWidget(label)
        self.hide()

    def show_error(self, text: str, error: DeskError) -> None:
        """Show what is wrong with ``text``, and where, as far as the error tells."""
        place = error.place.column if error.place is not None else None
        known = place is not None and 1 <= place <= len(text) + 1
        self.around.setVisible(known)
        self.mark.setVisible(known)
        if place is not None and known:
            around, before = surroundings(text, place)
            self.around.show_text(around)
            self.mark.show_text("\u00a0" * before + _CARET)
        self.says.show_text(f"{error.message} {error.hint or ''}".strip())
        self.show()
        announce(self, self.says.whole)

    def clear(self) -> None:
        self.hide()


def surroundings(text: str, place: int) -> tuple[str, int]:
    """Return what stands around a place (from 1) of a text, and how many characters of it stand before the place."""
    start = max(place - 1 - _BEFORE, 0)
    end = place - 1 + _AFTER
    lead = "…" if start else ""
    tail = "…" if end < len(text) else ""
    shown = "".join(letter if letter.isprintable() else "\u00b7" for letter in text[start:end])
    return lead + shown + tail, len(lead) + place - 1 - start
