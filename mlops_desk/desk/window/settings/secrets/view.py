"""One's secrets by their names: where each is kept, since when it is as it is, and which jobs name it."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QMenu

from mlops_desk.desk.window.settings.secrets import form
from mlops_desk.desk.window.settings.secrets.form import KeptSecret, SecretDialog
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.setting import SecretName
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, menu_text
from mlops_desk.kit.window.parts.lazy_view import AskedView
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import framed
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.words import numbers

_ABOUT = "Your own: nobody else sees their names or gets them. A job that names one gets it as a file in /run/secrets."
_NAMED = 5  # chosen: what one still reads in a sentence
_PALETTE = frozenset({"palette"})


class SecretsView(AskedView[dict[str, KeptSecret]]):
    """``table`` has the secrets by name."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, "Secrets", form.ask)
        self.table: RecordTable[KeptSecret] = RecordTable("Secrets", _COLUMNS, context.memory)
        self.table.sort_by_key("name", Qt.SortOrder.AscendingOrder)
        self.table.chosen.connect(lambda _key: self._offer())
        self.table.fill_more = self._fill_menu
        self.add = Button("Add a secret …", main=True, asks=True)
        self.replace = Button("Replace …", tip="Put another value in its place", asks=True)
        self.remove = Button("Remove …", harmful=True, asks=True)
        self.add.clicked.connect(self._add)
        self.replace.clicked.connect(self._replace)
        self.remove.clicked.connect(self._ask_to_remove)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(Label(_ABOUT, tone="muted", wrap=True), 1)
        for button in (self.replace, self.remove, self.add):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        self.content.addLayout(row)
        self.content.addWidget(framed(self.table), 1)
        self._offer()

    def take(self, value: dict[str, KeptSecret]) -> None:
        self.table.show_records(value)
        if self.table.key() is None:
            self.table.select_first()
        self._offer()

    def nothing(self, value: dict[str, KeptSecret]) -> Empty | None:
        if value:
            return None
        text = "A token or a key that your jobs need is kept here, out of job files, logs and the database."
        return Empty("You have no secrets", text, "Add a secret …", self._add, "mlops-desk secrets set NAME < FILE")

    def chosen(self) -> KeptSecret | None:
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _offer(self) -> None:
        for button in (self.replace, self.remove):
            button.setEnabled(self.chosen() is not None)

    def _fill_menu(self, menu: QMenu) -> None:
        one = self.chosen()
        if one is not None:
            menu.addAction(menu_text(f"Replace {one.secret.name} …")).triggered.connect(self._replace)
            menu.addAction(menu_text(f"Remove {one.secret.name} …")).triggered.connect(self._ask_to_remove)
            menu.addSeparator()

    def actions_here(self) -> list[Action]:
        """Return what can be done here, for the palette."""
        return [
            Action("secrets.add", "Add a secret …", self._add, places=_PALETTE),
            Action("secrets.replace", "Replace the chosen secret …", self._replace, when=self.replace.isEnabled,
                   places=_PALETTE),
            Action("secrets.remove", "Remove the chosen secret …", self._ask_to_remove, when=self.remove.isEnabled,
                   places=_PALETTE),
        ]  # fmt: skip

    # Acts.

    def _add(self) -> None:
        self._open(SecretDialog(self.window(), self.context))

    def _replace(self) -> None:
        one = self.chosen()
        if one is not None:
            self._open(SecretDialog(self.window(), self.context, one.secret.name))

    def _open(self, dialog: SecretDialog) -> None:
        dialog.accepted.connect(self.look)
        dialog.open()

    def _ask_to_remove(self) -> None:
        """Look anew which jobs name it, then ask."""
        one = self.chosen()
        if one is not None:
            name = one.secret.name
            self.context.ask("jobs that name the secret", form.ask, lambda found: self._ask_about(name, found))

    def _ask_about(self, name: str, found: dict[str, KeptSecret]) -> None:
        one = found.get(name)
        if one is None:
            self.context.say("info", f"The secret {name} is gone already.")
            self.look()
            return
        ask(self.window(), f"Remove the secret {plain(name, 60)}?", loss(one), "Remove secret", lambda: self._go(name))

    def _go(self, name: str) -> None:
        def done(_gone: SecretName) -> None:
            self.context.say("info", f"The secret {name} is removed.")
            self.look()

        self.context.ask("remove secret", lambda desk: desk.secrets.remove(name), done)


def loss(one: KeptSecret) -> str:
    """Return what is lost with a secret."""
    parts = ["What it says is kept nowhere else here, and can't be brought back."]
    if one.waiting:
        few = "start without it, and names it" if len(one.waiting) == 1 else "start without it, and name it"
        parts.append(f"{numbers.count(len(one.waiting), 'job')} of yours can't {few}: {_list(one.waiting)}.")
    if one.running:
        parts.append(f"What runs keeps it until it ends: {_list(one.running)}.")
    if not (one.waiting or one.running):
        parts.append("No job of yours that waits or runs names it.")
    return " ".join(parts)


def _list(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(plain(name, 40) for name in names[:_NAMED]) + more


def _used(one: KeptSecret) -> Cell:
    said = [f"{len(names):,} {word}" for names, word in ((one.waiting, "waiting"), (one.running, "running")) if names]
    count = len(one.waiting) + len(one.running)
    return Cell(", ".join(said) or numbers.NOTHING, count, tip=_list((*one.waiting, *one.running)))


def _changed(one: KeptSecret) -> Cell:
    at = one.secret.changed_at
    return Cell(numbers.ago(at), at, tip=numbers.absolute(at))


def _kept_in(one: KeptSecret) -> Cell:
    said, tip = form.place(one.secret)
    return Cell(said, tip=tip)


_COLUMNS: tuple[Column[KeptSecret], ...] = (
    Column("name", "Name", lambda one: Cell(one.secret.name), stretch=True, whole=True),
    Column("file", "File in a job", lambda one: Cell(f"/run/secrets/{one.secret.name}"), fixed=True),
    Column("place", "Kept in", _kept_in),
    Column("changed", "Changed", _changed),
    Column("used", "Jobs of yours that name it", _used),
)
