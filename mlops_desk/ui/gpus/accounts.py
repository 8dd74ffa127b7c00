"""What the driver keeps account of, where that is on: who used a GPU, how much of it, and for how long."""

from mlops_desk.base.text import plain
from mlops_desk.records.gpu import AccountedProcess, Gpu
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.words import numbers


def _number(value: float | None, written: numbers.Written) -> Cell:
    return Cell(written(value), -1.0 if value is None else value, "muted" if value is None else None)


def _text(value: str | None) -> Cell:
    return Cell(plain(value or numbers.NOTHING), tip=value or "It was not seen while it ran.")


def _lasted(one: AccountedProcess) -> Cell:
    if one.running:
        return Cell("runs", float("inf"))
    return _number(one.seconds, numbers.duration)


def _started(one: AccountedProcess) -> Cell:
    at = one.started_at
    return Cell(numbers.ago(at), -1.0 if at is None else at, tip=numbers.absolute(at) if at else "")


ACCOUNTS: tuple[Column[AccountedProcess], ...] = (
    Column("pid", "pid", lambda one: Cell(str(one.pid), one.pid), right=True),
    Column("user", "User", lambda one: _text(one.user)),
    Column("job", "Container", lambda one: _text(one.container)),
    Column("command", "Command", lambda one: _text(one.command), stretch=True),
    Column("memory", "Most memory", lambda one: _number(one.max_memory_bytes, numbers.size), right=True),
    Column("gpu", "GPU share", lambda one: _number(one.gpu_ratio, numbers.percent), right=True),
    Column(
        "bandwidth", "Memory share", lambda one: _number(one.memory_ratio, numbers.percent), right=True, hidden=True,
    ),
    Column("lasted", "Lasted", _lasted, right=True),
    Column("started", "Started", _started, right=True),
)  # fmt: skip


class Accounts(Card):
    """Is there only where the driver keeps any."""

    def __init__(self, context: Context) -> None:
        super().__init__("Who used it, as the driver keeps account")
        self.table = RecordTable("Accounts", ACCOUNTS, context.memory)
        self.column.addWidget(self.table, 1)

    def show_gpu(self, gpu: Gpu) -> None:
        accounts = gpu.accounting or ()
        self.setVisible(bool(accounts))
        self.table.show_records({f"{one.pid} {one.started_at}": one for one in accounts})
