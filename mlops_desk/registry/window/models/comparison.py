"""Ticked versions side by side, in the place of the detail."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.compare.comparison import Compared
from mlops_desk.kit.window.parts.compare.pane import ComparePane
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.window.models import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_desk.kit.window.live.tasks import Task
    from mlops_desk.registry.records.comparison import ComparedValue
    from mlops_desk.registry.records.version_hit import VersionHit


class VersionComparison(Card):
    """``closed`` tells that the detail is wanted again, ``runs`` carries the runs that are to be compared as such."""

    closed = Signal()
    runs = Signal(object)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._hits: tuple[VersionHit, ...] = ()
        self._task: Task | None = None
        self.title = Label("", points=theme.TITLE_POINTS, bold=True)
        self.curves = Button("Curves", tip="Compare the runs that made them, with their curves and code")
        self.curves.clicked.connect(self._open_runs)
        self.close_it = Button("Close", tip="Untick them, and show the chosen version again (Esc)")
        self.close_it.clicked.connect(self.closed)
        self.pane = ComparePane("Comparison of versions")
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_4)
        head.addWidget(self.title, 1)
        head.addWidget(self.curves)
        head.addWidget(self.close_it)
        self.column.addLayout(head)
        self.column.addWidget(self.pane, 1)

    def show_versions(self, hits: "Sequence[VersionHit]", champion: str | None) -> None:
        """Compare versions; changes are told beside ``champion`` (its key), else beside the oldest."""
        wanted = tuple(hits)
        if wanted == self._hits:
            return
        self._hits = wanted
        self.title.show_text(numbers.count(len(wanted), "version"))
        self.curves.setVisible(sum(hit.run_id is not None for hit in wanted) > 1)
        if len(wanted) > 1:
            self._ask(champion)

    def _ask(self, champion: str | None) -> None:
        self._stop()
        hits, uri = self._hits, self._context.store.models_uri
        self.pane.show_loading(f"Comparing {len(hits)} versions …")
        self._task = self._context.ask(
            "compare versions",
            lambda desk: _compared(desk, hits, uri),
            lambda values: self._got(values, champion),
            lambda error: self._failed(error, champion),
        )

    def _got(self, values: "list[ComparedValue]", champion: str | None) -> None:
        self._task = None
        of_several = len({hit.name for hit in self._hits}) > 1
        things = [
            Compared(words.key_of(hit), title(hit, of_several=of_several), slot, ", ".join(hit.aliases))
            for slot, hit in enumerate(self._hits)
        ]
        keys = [one.key for one in things]
        self.pane.show_values(things, values, champion if champion in keys else keys[-1])

    def _failed(self, error: DeskError, champion: str | None) -> None:
        self._task = None
        self.pane.show_error(error, lambda: self._ask(champion))

    def left(self) -> None:
        """Forget what is compared."""
        self._stop()
        self._hits = ()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _open_runs(self) -> None:
        self.runs.emit([hit.run_id for hit in self._hits if hit.run_id is not None])


def title(hit: "VersionHit", *, of_several: bool) -> str:
    """Return what a column is called: with its first alias, and its model where there are several."""
    alias = f" {plain(hit.aliases[0], 20)}" if hit.aliases else ""
    name = f"{plain(hit.name, 20)} " if of_several else ""
    return f"{name}v{plain(hit.version, 12)}{alias}"


def _compared(desk: ClientLike, hits: "Sequence[VersionHit]", uri: str | None) -> "list[ComparedValue]":
    one, other, *more = hits
    of = None if other.name == one.name else other.name
    named = [words.key_of(hit) for hit in more] or None
    return desk.models.compare(one.name, one.version, other.version, uri=uri, other=of, more=named)
