"""What a move of an alias brings, to look at before it is made: the metrics of both, and what follows."""

from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.registry.alias_move import AliasPreview
from mlops_desk.records.registry.comparison import ComparedValue
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.models.alias import words
from mlops_desk.ui.parts.compare import comparison
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.choice import CheckBox

_ROWS = 5  # chosen: more scroll
_FOLLOWERS = 6  # chosen: more are told by their number


class Consequences(QWidget):
    """Nothing as long as no preview is shown."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._table: RecordTable[ComparedValue] | None = None
        self.deploy: dict[str, CheckBox] = {}
        self.verdict = Label("", wrap=True, bold=True)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.SPACE_8)
        self._column.addWidget(self.verdict)
        self._made: list[QWidget] = []

    @property
    def table(self) -> RecordTable[ComparedValue] | None:
        """The metrics of both versions, None where there are none."""
        return self._table

    def clear(self) -> None:
        for widget in self._made:
            self._column.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        self._made, self.deploy, self._table = [], {}, None
        self.verdict.hide()

    def show_preview(self, preview: AliasPreview) -> None:
        """Show a preview; what was ticked to be deployed stays ticked."""
        ticked = self.ticked()
        self.clear()
        said, tone = words.verdict(preview)
        self.verdict.show_text(said)
        self.verdict.tint(tone)
        self.verdict.setVisible(bool(said))
        values = words.changes(preview)
        if values:
            self._table = self._metrics(preview, values)
            self._put(self._table)
        for follower in preview.followers[:_FOLLOWERS]:
            self._put(Label(words.follows(follower, preview), wrap=True))
            if follower in words.staying(preview.followers, preview):
                box = self.deploy[follower.endpoint] = CheckBox(f"Deploy to {plain(follower.endpoint, 60)} now")
                box.setChecked(follower.endpoint in ticked)
                self._put(box)
        left = len(preview.followers) - _FOLLOWERS
        if left > 0:
            self._put(Label(f"and {left:,} endpoints more", tone="muted"))

    def ticked(self) -> list[str]:
        """Return the endpoints that are to be deployed to."""
        return [name for name, box in self.deploy.items() if box.isChecked()]

    def _put(self, widget: QWidget) -> None:
        self._made.append(widget)
        self._column.addWidget(widget)

    def _metrics(self, preview: AliasPreview, values: list[ComparedValue]) -> RecordTable[ComparedValue]:
        table = RecordTable("Metrics of both versions", _columns(preview), self._context.memory)
        table.show_records({one.key: one for one in values})
        rows = min(len(values), _ROWS) + 1
        table.setFixedHeight(rows * theme.ROW_HEIGHT + 2 * theme.RING)
        return table


def _columns(preview: AliasPreview) -> tuple[Column[ComparedValue], ...]:
    before, after = words.sides(preview)
    now = f"{plain(preview.alias, 20)} now: v{plain(preview.from_version or '', 12)}"
    sides = [(now, before), (f"v{plain(preview.to_version, 12)}", after)]
    return (
        Column("key", "Metric", lambda one: Cell(one.key), stretch=True),
        *(_value(title, place) for title, place in sides if place is not None),
        *((Column("change", "Change", lambda one: _change(one, preview), right=True),) if before is not None else ()),
    )


def _value(title: str, place: int) -> Column[ComparedValue]:
    def cell(one: ComparedValue) -> Cell:
        return comparison.cell(one, place) if place < len(one.values) else Cell("")

    return Column(f"side {place}", title, cell, right=True)


def _change(one: ComparedValue, preview: AliasPreview) -> Cell:
    said, tone = words.change(one, preview)
    return Cell(said, token=tone)
