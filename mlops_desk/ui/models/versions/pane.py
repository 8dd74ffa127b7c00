"""The versions: what they are of, the metric over them, the table; ticked ones are to be compared."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.registry.version_hit import VersionHit
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label, menu_text
from mlops_desk.ui.models import metrics, words
from mlops_desk.ui.models.versions.rows import VersionLine, columns
from mlops_desk.ui.models.versions.strip import StripPoint, VersionStrip
from mlops_desk.ui.models.versions.table import VersionsTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.choice import ChoiceBox

MOST_TICKED = 100  # as many as the agent compares
_MENU = 40  # chosen: a menu of more metrics is not read; they are found by typing a search


class VersionsPane(Card):
    """``chosen`` carries the key of the version whose row is chosen, or None; ``ticks_changed`` that others are."""

    chosen = Signal(object)
    ticks_changed = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__("Versions")
        self._context = context
        self._hits: dict[str, VersionHit] = {}
        self._endpoints: Mapping[str, Mapping[str, str]] = {}
        self._ticked: list[str] = []
        self._of_several = False
        self._subject = ""
        self.table = VersionsTable(context.memory)
        self.table.chosen.connect(self._chose)
        self.table.ticked.connect(self.tick)
        self.strip = VersionStrip()
        self.strip.chosen.connect(self.table.select)
        self.plotted = ChoiceBox("Metric of the chart")
        self.plotted.activated.connect(lambda _place: self._fill_strip())
        self.pick = Button("Metrics …", tip="Choose the metrics that have a column")
        self.pick.clicked.connect(self._open_metrics)
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self._arrange()
        self.show_hits("", [], of_several=False)

    def _arrange(self) -> None:
        self.column.removeWidget(self.heading)
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_8)
        head.addWidget(self.plotted)
        head.addStretch(1)
        head.addWidget(self.pick)
        self._charted = QWidget()
        chart = QVBoxLayout(self._charted)
        chart.setContentsMargins(0, 0, 0, 0)
        chart.addWidget(self.strip)
        self.column.addWidget(self.heading)  # a line of its own: beside the others a name would be cut to nothing
        self.column.addLayout(head)
        self.column.addWidget(self._charted)
        self.column.addWidget(self.says)
        self.column.addWidget(self.table, 1)

    # What is shown.

    def show_hits(self, subject: str, hits: Sequence[VersionHit], *, of_several: bool) -> None:
        """Show versions; ``subject`` is the model, or what was searched for. Those of another forget their ticks."""
        if subject != self._subject or of_several is not self._of_several:
            self._subject, self._of_several, self._ticked = subject, of_several, []
        self._hits = {words.key_of(hit): hit for hit in hits}
        self._ticked = [key for key in self._ticked if key in self._hits]
        self._fill()

    def show_endpoints(self, endpoints: Mapping[str, Mapping[str, str]]) -> None:
        """Take what serves which version, by model and endpoint."""
        if endpoints != self._endpoints:
            self._endpoints = endpoints
            self._fill_table()

    def say(self, text: str) -> None:
        """Say above the table how it is: loading, why there is nothing, or how much is left out."""
        self.says.show_text(text)
        self.says.setVisible(bool(text))

    def hit(self) -> VersionHit | None:
        """Return the version whose row is chosen."""
        key = self.table.key()
        return self._hits.get(key) if key else None

    def hits(self) -> list[VersionHit]:
        """Return all versions that are listed."""
        return list(self._hits.values())

    def ticked(self) -> list[VersionHit]:
        """Return the versions that are to be compared, in the order of the table."""
        shown = {key: place for place, key in enumerate(self.table.records.order.keys)}
        keys = sorted(self._ticked, key=lambda key: shown.get(key, len(shown)))
        return [self._hits[key] for key in keys]

    def _fill(self) -> None:
        shown, every = metrics.offered(self._hits.values(), self._kept())
        self.table.show_columns(columns(shown, of_several=self._of_several))
        self._fill_table()
        self._offer_metrics([*shown, *(name for name in every if name not in shown)])
        self._fill_strip()

    def _fill_table(self) -> None:
        self.table.show_records(
            {key: VersionLine(hit, key in self._ticked, self._serving(hit)) for key, hit in self._hits.items()}
        )

    def _serving(self, hit: VersionHit) -> tuple[str, ...]:
        return words.serving(self._endpoints.get(hit.name, {}), hit.version)

    # Ticks.

    def tick(self, key: str) -> None:
        """Tick a version, or take its tick away."""
        if key in self._ticked:
            self._ticked.remove(key)
        elif len(self._ticked) >= MOST_TICKED:
            self._context.say("warning", f"At most {MOST_TICKED} versions can be compared at once.")
            return
        elif key in self._hits:
            self._ticked.append(key)
        self._fill_table()
        self.ticks_changed.emit()

    def clear_ticks(self) -> None:
        self._ticked = []
        self._fill_table()
        self.ticks_changed.emit()

    # Metrics.

    def _kept(self) -> list[str]:
        kept = self._context.memory.value(self._memory_key())
        return [str(name) for name in kept] if isinstance(kept, list) else []

    def _memory_key(self) -> str:
        subject = "search" if self._of_several else self._subject.replace("/", "_")
        return f"models/metrics/{subject or 'none'}"

    def _open_metrics(self) -> None:
        hits = list(self._hits.values())
        shown = metrics.chosen(hits, self._kept())
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        names = metrics.known(hits)
        for name in names[:_MENU]:
            action = menu.addAction(menu_text(name))
            action.setCheckable(True)
            action.setChecked(name in shown)
            action.toggled.connect(lambda on, name=name: self.show_metric(name, on=on))
        if len(names) > _MENU:
            menu.addAction(f"… and {len(names) - _MENU:,} more").setEnabled(False)
        menu.addSeparator()
        menu.addAction("Those that vary").triggered.connect(self._forget_metrics)
        menu.popup(self.pick.mapToGlobal(self.pick.rect().bottomLeft()))

    def show_metric(self, name: str, *, on: bool) -> None:
        """Give a metric a column, or take it away; it is remembered for this model."""
        kept = [one for one in metrics.chosen(list(self._hits.values()), self._kept()) if one != name]
        self._context.memory.setValue(self._memory_key(), [*kept, name] if on else kept)
        self._fill()

    def _forget_metrics(self) -> None:
        self._context.memory.remove(self._memory_key())
        self._fill()

    def _offer_metrics(self, names: Sequence[str]) -> None:
        """Offer metrics for the chart: those with a column first."""
        before = self.plotted.currentData()
        self.plotted.clear()
        for name in names:
            self.plotted.addItem(plain(name, 40), name)
        self.plotted.setCurrentIndex(max(self.plotted.findData(before), 0))
        self.pick.setVisible(bool(names))

    def _fill_strip(self) -> None:
        name = self.plotted.currentData()
        charted = name is not None and not self._of_several and len(self._hits) > 1
        self._charted.setVisible(charted)
        self.plotted.setVisible(charted)
        if charted:
            old_first = sorted(self._hits.items(), key=lambda one: words.version_number(one[1].version))
            self.strip.show_points(
                name,
                [StripPoint(key, f"v{hit.version}", hit.metrics.get(name), hit.aliases) for key, hit in old_first],
            )
            self.strip.light(self.table.key())

    def _chose(self, key: str | None) -> None:
        self.strip.light(key)
        self.chosen.emit(key)

    def title(self, text: str) -> None:
        """Say above everything what these versions are of."""
        self.heading.show_text(text)
        self.heading.setVisible(bool(text))
