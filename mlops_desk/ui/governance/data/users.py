"""Who stands on the chosen data set, each a way to its page: Enter or a double click goes there."""

from mlops_desk.base.text import plain
from mlops_desk.records.data.catalogue import DataUser, DataUserKind
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import set_tip
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.words import numbers

_PAGES = {
    DataUserKind.MODEL: ("models", ""),
    DataUserKind.ENDPOINT: ("endpoints", ""),
    DataUserKind.MONITOR: ("drift", ""),
    DataUserKind.PIPELINE: ("automations", "pipeline:"),
}


class DataUsers(RecordTable[DataUser]):
    """A short table."""

    def __init__(self, context: Context) -> None:
        super().__init__("Who stands on it", _COLUMNS, context.memory)
        self._context = context
        set_tip(self, "Enter or a double click opens its page")
        self.takes_key = self._take_key
        self.doubleClicked.connect(lambda _index: self.open_chosen())
        self.setMinimumHeight(3 * theme.ROW_HEIGHT)

    def show_users(self, users: tuple[DataUser, ...]) -> None:
        """Show who stands on a set, models first: that is what one looks for."""
        self.setVisible(bool(users))
        order = list(_ORDER)
        ordered = sorted(users, key=lambda one: (order.index(one.kind), one.name))
        self.show_records({f"{one.kind.value}/{one.name}/{one.how}/{one.version}": one for one in ordered})

    def open_chosen(self) -> None:
        """Go to the page of the chosen one."""
        key = self.key()
        user = self.records.record(key) if key else None
        if user is None:
            return
        if user.kind is DataUserKind.RUN:
            self._context.act("runs.show", self._context, user.name, self._context.store.models_uri)
        else:
            page, before = _PAGES[user.kind]
            self._context.open_page(page, f"{before}{user.name}")

    def _take_key(self, name: str) -> bool:
        if name == "Return":
            self.open_chosen()
        return name == "Return"


_ORDER = (
    DataUserKind.MODEL, DataUserKind.RUN, DataUserKind.ENDPOINT, DataUserKind.MONITOR, DataUserKind.PIPELINE,
)  # fmt: skip


def _version(one: DataUser) -> Cell:
    return Cell(numbers.NOTHING if one.version is None else f"v{one.version}", one.version or 0)


_COLUMNS: tuple[Column[DataUser], ...] = (
    Column("kind", "Used by", lambda one: Cell(one.kind.value)),
    Column("name", "Name", lambda one: Cell(plain(one.name, 100), tip=f"{one.name}: {one.how}"), stretch=True),
    Column("version", "Version", _version),
)
