"""Which columns a monitor leaves out, and why: each has a box, and one that is left out a field for the reason."""

from collections.abc import Mapping, Sequence

from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.choice import CheckBox
from mlops_desk.ui.widgets.field import Field, filter_field
from mlops_desk.ui.widgets.scroll import scrolled

_SEEN_ROWS = 5  # chosen: a list that scrolls is seen as one
_MOST_ROWS = 200  # chosen: each is two widgets; of more columns the filter finds the ones that are meant


class LeftOutColumns(QWidget):
    """Ticked columns are compared."""

    def __init__(self) -> None:
        super().__init__()
        self._columns: tuple[str, ...] = ()
        self._reasons: dict[str, str] = {}
        self.boxes: dict[str, CheckBox] = {}
        self.fields: dict[str, Field] = {}
        self.filter = filter_field("Filter columns")
        self.filter.textChanged.connect(lambda _text: self._fill())
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self._inner = QWidget()
        self._grid = QGridLayout(self._inner)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(theme.SPACE_4)
        self._grid.setColumnStretch(1, 1)
        area = self._area = scrolled(self._inner, "Columns that are compared")
        area.setFixedHeight(_SEEN_ROWS * (theme.FIELD_HEIGHT + theme.SPACE_4))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        for widget in (self.filter, self.says, area):
            column.addWidget(widget)

    def show_columns(self, columns: Sequence[str], suppressed: Mapping[str, str]) -> None:
        """Offer columns; what is left out stays so, also where it is not offered."""
        self._columns = tuple(dict.fromkeys([*columns, *suppressed]))
        self._reasons = {**dict(suppressed), **self._reasons}
        self._fill()

    def reasons(self) -> dict[str, str]:
        """Return the columns that are left out, each with its reason. Raises Invalid for one without."""
        for name, why in self._reasons.items():
            if not why.strip():
                text = f"Column {plain(name)} is left out without a reason."
                raise Invalid(text, "Say why: whoever looks at the monitor later wants to know.")
        return {name: why.strip() for name, why in self._reasons.items()}

    def _fill(self) -> None:
        for widget in (*self.boxes.values(), *self.fields.values()):
            widget.hide()
            widget.deleteLater()
        self.boxes, self.fields = {}, {}
        wanted = self.filter.text().lower().split()
        found = [name for name in self._columns if all(word in name.lower() for word in wanted)]
        for row, name in enumerate(found[:_MOST_ROWS]):
            self._add(row, name)
        self._grid.setRowStretch(len(found[:_MOST_ROWS]), 1)
        self._tell(len(found))

    def _tell(self, n_found: int) -> None:
        nothing = "Its columns are known once it was judged; all of the reference are compared."
        more = f" {n_found - _MOST_ROWS:,} more: filter for them." if n_found > _MOST_ROWS else ""
        out = f"{len(self._reasons)} left out." if self._reasons else "All are compared."
        self.says.show_text(f"{out}{more}" if self._columns else nothing)
        for widget in (self.filter, self._area):
            widget.setVisible(bool(self._columns))

    def _add(self, row: int, name: str) -> None:
        box, field = CheckBox(plain(name, 60)), Field(f"Why {plain(name)} is left out", "why it is left out")
        box.setChecked(name not in self._reasons)
        field.setText(self._reasons.get(name, ""))
        field.setVisible(name in self._reasons)
        box.toggled.connect(lambda on, name=name: self._turn(name, on=on))
        field.textChanged.connect(lambda text, name=name: self._reasons.update({name: text}))
        self._grid.addWidget(box, row, 0)
        self._grid.addWidget(field, row, 1)
        self.boxes[name], self.fields[name] = box, field

    def _turn(self, name: str, *, on: bool) -> None:
        field = self.fields[name]
        if on:
            self._reasons.pop(name, None)
        else:
            self._reasons[name] = field.text()
        field.setVisible(not on)
        if not on:
            field.setFocus()
        self._tell(len(self.boxes))
