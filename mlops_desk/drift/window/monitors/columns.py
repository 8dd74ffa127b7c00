"""The columns of a monitor: which are compared, by what name they arrive, how much each matters, why one is left out.

A column that is compared has a field for the name it has in the source and one for its importance; one that is left out
has a field for the reason in their place.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import CheckBox
from mlops_desk.kit.window.widgets.field import Field, filter_field
from mlops_desk.kit.window.widgets.form import Paragraph
from mlops_desk.kit.window.widgets.scroll import scrolled

_SEEN_ROWS = 4  # chosen: a list that scrolls is seen as one, and the form fits a low screen
_MOST_ROWS = 200  # chosen: each is a few widgets; of more columns the filter finds the ones that are meant
_NAME = 60  # characters of a column's name that a row has room for


@dataclass(frozen=True, slots=True)
class ColumnChoices:
    """What is chosen. ``columns`` are the only ones that are compared, all where empty.

    ``suppressed`` gives the reason of each that is left out, ``renamed`` the reference's name of one that arrives by
    another, ``importance`` the weights.
    """

    columns: tuple[str, ...] = ()
    suppressed: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    importance: Mapping[str, float] = field(default_factory=dict)


class MonitorColumns(QWidget):
    """Ticked columns are compared."""

    def __init__(self) -> None:
        super().__init__()
        self._columns: tuple[str, ...] = ()
        self._added: tuple[str, ...] = ()
        self._out: set[str] = set()
        self._reasons: dict[str, str] = {}
        self._arriving: dict[str, str] = {}
        self._weights: dict[str, str] = {}
        self.boxes: dict[str, CheckBox] = {}
        self.reasons: dict[str, Field] = {}
        self.names: dict[str, Field] = {}
        self.weights: dict[str, Field] = {}
        self.filter = filter_field("Find or add a column")
        self.add = Button("Add column", tip="Say something of a column that is not in the list")
        self.only = CheckBox("Only the ticked ones, also when others come")
        self.says = Paragraph(points=theme.CAPTION_POINTS, tone="muted")
        self.filter.textChanged.connect(lambda _text: self._fill())
        self.add.clicked.connect(self._add_typed)
        self.only.toggled.connect(lambda _on: self._fill())
        self._arrange()

    def _arrange(self) -> None:
        self._inner = QWidget()
        self._grid = QGridLayout(self._inner)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(theme.SPACE_4)
        for place, share in ((1, 2), (2, 1)):
            self._grid.setColumnStretch(place, share)
        self._area = scrolled(self._inner, "Columns that are compared")
        self._area.setFixedHeight(_SEEN_ROWS * (theme.FIELD_HEIGHT + theme.SPACE_4))
        line = QHBoxLayout()
        line.setSpacing(theme.SPACE_8)
        line.addWidget(self.filter, 1)
        line.addWidget(self.add)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addLayout(line)
        for widget in (self.says, self._area, self.only):
            column.addWidget(widget)
        self._fill()

    # What is offered and chosen.

    def offer(self, columns: Sequence[str]) -> None:
        """Offer columns; what was chosen stays, also of one that is not offered."""
        self._columns = tuple(columns)
        self._fill()

    def show_choices(self, chosen: ColumnChoices) -> None:
        """Show what is set up of a monitor."""
        self._reasons = dict(chosen.suppressed)
        self._out = set(chosen.suppressed)
        self._arriving = {ours: theirs for theirs, ours in chosen.renamed.items()}
        self._weights = {name: f"{weight:.12g}" for name, weight in chosen.importance.items()}
        self._added = (*chosen.columns, *chosen.suppressed, *chosen.renamed.values(), *chosen.importance)
        self.only.setChecked(bool(chosen.columns))
        if chosen.columns:
            self._out |= {name for name in self._known() if name not in chosen.columns}
        self._fill()

    def choices(self) -> ColumnChoices:
        """Return what is chosen. Raises Invalid for what can't be meant."""
        known, only = self._known(), self.only.isChecked()
        ticked = tuple(name for name in known if name not in self._out)
        if only and not ticked:
            raise Invalid("No column is ticked.", "Tick those that are compared, or compare all but some.")
        return ColumnChoices(ticked if only else (), self._suppressed(), self._renamed(), self._importance())

    def typed(self) -> tuple[Hashable, ...]:
        """Return what was chosen and typed so far, whether it can be meant or not."""
        kept = (self._reasons, self._arriving, self._weights)
        said = (frozenset((name, text) for name, text in one.items() if text) for one in kept)
        return (frozenset(self._out), self.only.isChecked(), *said)

    def _suppressed(self) -> dict[str, str]:
        found = {}
        for name in sorted(self._out):
            why = self._reasons.get(name, "").strip()
            if not why and not self.only.isChecked():
                text = f"Column {plain(name)} is left out without a reason."
                raise Invalid(text, "Say why: whoever looks at the monitor later wants to know.")
            if why:
                found[name] = why
        return found

    def _renamed(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for ours, typed in self._arriving.items():
            theirs = typed.strip()
            if not theirs or theirs == ours:
                continue
            if theirs in found:
                text = f"Columns {plain(found[theirs])} and {plain(ours)} can't both arrive as {plain(theirs)}."
                raise Invalid(text, "Leave one of the two names empty.")
            found[theirs] = ours
        return found

    def _importance(self) -> dict[str, float]:
        found = {}
        for name, typed in self._weights.items():
            if typed.strip():
                found[name] = _weight(name, typed.strip())
        return found

    def _known(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self._columns, *self._added]))

    # The rows.

    def _fill(self) -> None:
        for row in (self.boxes, self.reasons, self.names, self.weights):
            for widget in row.values():
                widget.hide()
                widget.deleteLater()
            row.clear()
        typed, known = self.filter.text(), self._known()
        found = [name for name in known if all(word in name.lower() for word in typed.lower().split())]
        for place, name in enumerate(found[:_MOST_ROWS]):
            self._add_row(place, name)
        self._grid.setRowStretch(self._grid.rowCount(), 1)
        self.add.setEnabled(bool(typed.strip()) and typed.strip() not in known)
        self._tell(len(found))

    def _tell(self, n_found: int) -> None:
        known = self._known()
        self.only.setVisible(bool(known))
        self._area.setVisible(bool(known))
        if not known:
            text = "All of the reference are compared. To say something of one, type its name and add it."
            self.says.show_text(text)
            return
        n_out = len(self._out & set(known))
        out = f"{n_out} left out." if n_out else "All are compared."
        more = f" {n_found - _MOST_ROWS:,} more: filter for them." if n_found > _MOST_ROWS else ""
        self.says.show_text(f"{out}{more} Beside each: its name in the source, and the weight of its importance.")

    def _add_row(self, row: int, name: str) -> None:
        shown = plain(name, _NAME)
        box, reason = CheckBox(shown), Field(f"Why {shown} is left out", "why it is left out")
        theirs = Field(f"Name of {shown} in the source", "arrives as: the same")
        weight = Field(f"Importance of {shown}", "weight")
        box.setChecked(name not in self._out)
        for one, kept in ((reason, self._reasons), (theirs, self._arriving), (weight, self._weights)):
            one.setText(kept.get(name, ""))
            one.setMinimumWidth(theme.FIELD_HEIGHT)
            one.textChanged.connect(lambda text, kept=kept: kept.update({name: text}))
        box.toggled.connect(lambda on: self._turn(name, on=on))
        self._grid.addWidget(box, row, 0)
        self._grid.addWidget(reason, row, 1, 1, 2)
        self._grid.addWidget(theirs, row, 1)
        self._grid.addWidget(weight, row, 2)
        self.boxes[name], self.reasons[name], self.names[name], self.weights[name] = box, reason, theirs, weight
        self._show_fields(name)

    def _show_fields(self, name: str) -> None:
        out = name in self._out
        self.reasons[name].setVisible(out)
        for one in (self.names[name], self.weights[name]):
            one.setVisible(not out)

    def _turn(self, name: str, *, on: bool) -> None:
        if on:
            self._out.discard(name)
            self._reasons.pop(name, None)
        else:
            self._out.add(name)
        self._show_fields(name)
        if not on:
            self.reasons[name].setFocus()
        self._tell(len(self.boxes))

    def _add_typed(self) -> None:
        name = self.filter.text().strip()
        self._added = (name, *self._added)
        self.filter.clear()
        if name not in self.names:  # it stands behind those that are shown
            self.filter.setText(name)
        self.names[name].setFocus()


def _weight(name: str, typed: str) -> float:
    """Return a weight as a number. Raises Invalid; how large it may be the agent says."""
    try:
        return float(typed)
    except ValueError:
        text = f"The importance {plain(typed)!r} of {plain(name)} is no number."
        raise Invalid(text, "Give a number, as 0.4: only how they compare with each other counts.") from None
