"""By which parameter, tag or state the table is grouped: a list to choose from, of what the runs have."""

from collections.abc import Iterable

from mlops_desk.base.text import plain
from mlops_desk.ui.runs import names
from mlops_desk.ui.runs.names import PARAMS, TAGS, ColumnName
from mlops_desk.ui.runs.question import KnownColumns
from mlops_desk.ui.widgets.choice import ChoiceBox

_MOST_OFFERED = 300  # chosen: of ten thousand names nobody scrolls further
_LETTERS = 10  # of a name in the closed list; the open one has it whole
_STATUS = "status"
_OURS = "mlflow."
_TOLD = frozenset({"mlflow.user", "mlflow.source.name", "mlflow.source.git.commit", "mlflow.parentRunId"})
"""Of the tags that MLflow keeps for itself, those by which people compare."""


class GroupBox(ChoiceBox):
    """``currentData`` is a column's name, None where nothing is grouped."""

    def __init__(self) -> None:
        super().__init__("Group the runs by")
        self.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(_LETTERS)
        self._offered: list[str] = []
        self.offer(KnownColumns(), None)

    def offer(self, known: KnownColumns, chosen: str | None) -> None:
        """Offer what the runs have; what is chosen stays, be it of no run here."""
        offered = [*dict.fromkeys([*([chosen] if chosen else []), *map(str, _fitting(known)), _STATUS])]
        if offered == self._offered:
            self.choose(chosen)
            return
        self._offered = offered
        columns = [names.read(name) for name in offered]
        self.clear()
        self.addItem("no groups", None)
        for column, title in zip(columns, names.titles(columns), strict=True):
            self.addItem(f"by {plain(title, 60)}", str(column))
        self.choose(chosen)

    def choose(self, chosen: str | None) -> None:
        self.setCurrentIndex(max(self.findData(chosen), 0))


def _fitting(known: KnownColumns) -> Iterable[ColumnName]:
    """Return what tells runs apart, parameters first; what is another one for each run makes no groups."""
    some = [one for one in known.columns if one.kind in {PARAMS, TAGS} and known.n_values.get(str(one), 2) != 1]
    some = [one for one in some if not one.key.startswith(_OURS) or one.key in _TOLD]
    return sorted(some, key=lambda one: (one.kind != PARAMS, one.key.startswith(_OURS), one.key))[:_MOST_OFFERED]
