"""The kept registries above, the store of the chosen one below."""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSplitter, QWidget

from mlops_desk.desk.window.settings.registries import words
from mlops_desk.desk.window.settings.registries.cleanup import CleanUpDialog
from mlops_desk.desk.window.settings.registries.doctor.view import StoreView
from mlops_desk.desk.window.settings.registries.words import KINDS
from mlops_desk.desk.window.settings.secrets.form import secret_field
from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.setting import SettingValue
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, menu_text
from mlops_desk.kit.window.parts.lazy_view import AskedView
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.registry.records.tracker import Tracker, TrackerKind
from mlops_desk.registry.records.transfer import MigratedFolder

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# Keep a registry in the list: its name and address, and what logs in, which goes to one's secrets and nowhere else.
_ABOUT_form = "Every page and every command takes its name from then on. Nothing is changed at the registry."


class RegistryDialog(FormDialog):
    """Adds one. A login that is typed becomes the secret registry-NAME; it is forgotten if the registry is refused."""

    def __init__(self, parent: QWidget, context: Context) -> None:
        super().__init__(parent, "Keep a registry", _ABOUT_form, "Keep registry")
        self._context = context
        self.name = Field("Name", "team")
        self.uri = Field("Address", "https://mlflow:5000, postgresql://user@host/mlflow, or a path on this machine")
        self.kind = ChoiceBox("What it is")
        self.kind.addItem("found out by itself", None)
        for kind, title in KINDS.items():
            if kind is not TrackerKind.OWN:
                self.kind.addItem(title, kind.value)
        self.login = secret_field()
        self.add("Name", self.name, "Letters, digits, dots, dashes and underscores.")
        self.add("Address", self.uri)
        self.add("What it is", self.kind)
        self.add(
            "Login", self.login, "USER:PASSWORD or a token, of a database its password; nothing where none is asked."
        )
        self.submit = self._keep

    def _keep(self) -> None:
        name, uri, kind, login = (
            self.name.text().strip(),
            self.uri.text().strip(),
            self.kind.currentData(),
            self.login.text(),
        )
        if not name or not uri:
            self.fail(Invalid("A registry needs a name and an address.", "Fill in both."))
            return
        self.begin("Keeping …")
        self._context.ask("keep registry", lambda desk: kept(desk, name, uri, kind, login), self._kept, self.fail)

    def done(self, result: int) -> None:
        self.login.clear()
        super().done(result)

    def _kept(self, one: Tracker) -> None:
        self._context.say("info", f"The registry {one.name} is kept.")
        self.accept()


def kept(desk: ClientLike, name: str, uri: str, kind: str | None, login: str) -> Tracker:
    """Keep a registry, and its login first; that is removed again where the registry is refused."""
    if not login:
        return desk.registry.add(name, uri, kind=kind)
    secret = desk.secrets.set(f"registry-{name}", login).name
    try:
        return desk.registry.add(name, uri, login=secret, kind=kind)
    except DeskError:
        desk.secrets.remove(secret)
        raise


class LoginDialog(FormDialog):
    """Puts another login in the place of a kept registry's; it goes to one's secrets, and nothing shows it."""

    def __init__(self, parent: QWidget, context: Context, one: Tracker) -> None:
        about = (
            f"{plain(one.uri, 200)}\nWhat is typed becomes your secret registry-{plain(one.name, 60)}. It logs in "
            "there for pages and commands, and nothing shows it again."
        )
        super().__init__(parent, f"Log in at {plain(one.name, 60)}", about, "Log in")
        self._context = context
        self._one = one
        self.login = secret_field()
        self.add("Login", self.login, "USER:PASSWORD or a token, of a database its password.")
        self.submit = self._log_in

    def _log_in(self) -> None:
        name, login = self._one.name, self.login.text()
        if not login:
            self.fail(Invalid("There is no login.", "Type USER:PASSWORD, or a token."))
            return
        self.begin("Logging in …")
        self._context.ask("log in", lambda desk: logged_in(desk, name, login), self._logged_in, self.fail)

    def done(self, result: int) -> None:
        self.login.clear()
        super().done(result)

    def _logged_in(self, one: Tracker) -> None:
        if one.problem:
            self.fail(DeskError(one.problem, one.hint))
            return
        self._context.say("info", f"The registry {one.name} is logged in at.")
        self.accept()


def logged_in(desk: ClientLike, name: str, login: str) -> Tracker:
    """Keep a login as a secret, let it log in, and look whether it is let in."""
    secret = desk.secrets.set(f"registry-{name}", login).name
    desk.registry.log_in(name, login=secret)
    return desk.registry.show(name)


_ABOUT = "Each has a name, which pages and every --uri take. Logins are among your secrets."
_PALETTE = frozenset({"palette"})
_REST_MILLISECONDS = 200  # chosen: who goes through the list by the arrow keys rests no longer
_DEFAULT = "registry.uri"
"""The setting that names the registry which is meant where none is named."""


class RegistriesView(AskedView[dict[str, Tracker]]):
    """``table`` has the registries by name; what is looked at of one is asked for when it is chosen."""

    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.REGISTRIES, Topic.SETTINGS})  # a setting names the default

    def __init__(self, context: Context) -> None:
        super().__init__(context, "Registries", _ask)
        self.table: RecordTable[Tracker] = RecordTable("Registries", words.COLUMNS, context.memory)
        self.table.activated.connect(lambda _index: self._open_models())
        self.table.fill_more = self._fill_menu
        self.store = StoreView(context)
        self._looked: dict[str, Tracker] = {}
        self._looking: Task | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MILLISECONDS)
        self._rest.timeout.connect(self._choose)
        self.table.chosen.connect(lambda _key: self._rest.start())
        self.trouble_of = Label("", tone="alert", wrap=True)
        self.keep = Button("Add …", main=True, asks=True)
        self.default = Button("Make default", tip="Mean this one where no registry is named", asks=True)
        self.models = Button("Models", tip="Look at its models (Enter)")
        self.migrate = Button("Into a store …", tip="Copy a folder mlruns into an SQLite store, which is read at once")
        self.log_in = Button("Log in …", tip="Put another login in the place of the one that is kept", asks=True)
        self.clean = Button(
            "Clean up …", tip="Show what could go: runs of a sweep, old or failed ones, versions", asks=True
        )
        self.remove = Button("Remove …", harmful=True, asks=True)
        self._arrange()
        self._offer()

    def _arrange(self) -> None:
        self.keep.clicked.connect(self._add)
        self.default.clicked.connect(self._make_default)
        self.models.clicked.connect(self._open_models)
        self.log_in.clicked.connect(self.ask_login)
        self.clean.clicked.connect(self.open_clean_up)
        self.migrate.clicked.connect(self._ask_to_migrate)
        self.remove.clicked.connect(self._ask_to_remove)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(Label(_ABOUT, tone="muted", wrap=True), 1)
        for button in (self.models, self.log_in, self.migrate, self.clean, self.default, self.remove, self.keep):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        above = Card("Registries")
        above.column.addLayout(row)
        above.column.addWidget(self.trouble_of)
        above.column.addWidget(self.table, 1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(above)
        split.addWidget(self.store)
        split.setSizes([theme.COLUMN_MINIMUM + 2 * theme.ROW_HEIGHT, theme.DETAIL_WIDTH])
        split.setStretchFactor(1, 1)
        self.content.addWidget(split, 1)

    def take(self, value: dict[str, Tracker]) -> None:
        self._looked = {name: one for name, one in self._looked.items() if name in value}
        self.table.show_records({name: self._known(one) for name, one in value.items()})
        if self.table.key() is None:
            self.table.select_first()
        self._offer()
        self._rest.start()

    def _known(self, one: Tracker) -> Tracker:
        """Return a registry with what was found when it was looked at."""
        seen = self._looked.get(one.name)
        if seen is None:
            return one
        return replace(one, problem=one.problem or seen.problem, hint=one.hint or seen.hint, schema=seen.schema,
                       via=seen.via, n_runs=seen.n_runs, n_models=seen.n_models,
                       least_runs=seen.least_runs, least_models=seen.least_models,
                       uncounted=seen.uncounted)  # fmt: skip

    def chosen(self) -> Tracker | None:
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _choose(self) -> None:
        """Look at the chosen one: how it is read, how much there is, and how its store is."""
        one = self.chosen()
        self._offer()
        self.store.show_registry(one)
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if one is not None:
            name = one.name
            self._looking = self.context.ask(
                "look at a registry", lambda desk: desk.registry.show(name), self._seen, self._not_seen
            )

    def _seen(self, one: Tracker) -> None:
        self._looking = None
        self._looked[one.name] = one
        if self.value is not None:
            self.table.show_records({name: self._known(known) for name, known in self.value.items()})
        self._offer()

    def _not_seen(self, error: DeskError) -> None:
        self._looking = None
        one = self.chosen()
        if one is not None:
            self._seen(replace(one, problem=error.message, hint=error.hint))

    def _offer(self) -> None:
        one = self.chosen()
        trouble = "" if one is None else words.trouble(one)
        self.trouble_of.show_text(trouble)
        self.trouble_of.setVisible(bool(trouble))
        mlflow = one is not None and words.has_models(one)
        self.models.setEnabled(mlflow)
        self.clean.setEnabled(mlflow)
        self.migrate.setVisible(one is not None and words.can_migrate(one))
        self.log_in.setVisible(one is not None and words.can_log_in(one))
        self.default.setEnabled(mlflow and one is not None and not one.is_default)
        self.remove.setEnabled(one is not None and one.name != words.OWN)

    def _fill_menu(self, menu: QMenu) -> None:
        for action in self.actions_here():
            if action.when():
                menu.addAction(menu_text(action.title)).triggered.connect(action.runner())
        menu.addSeparator()

    def actions_here(self) -> list[Action]:
        """Return what can be done here, for the palette."""
        return [
            Action("registries.add", "Add a registry …", self._add, places=_PALETTE),
            Action("registries.models", "Models of the chosen registry", self._open_models,
                   when=self.models.isEnabled, places=_PALETTE),
            Action("registries.default", "Make the chosen registry the default", self._make_default,
                   when=self.default.isEnabled, places=_PALETTE),
            Action("registries.migrate", "Copy the chosen folder of runs into a store …", self._ask_to_migrate,
                   when=self.migrate.isVisible, places=_PALETTE),
            Action("registries.login", "Log in at the chosen registry …", self.ask_login,
                   when=self.log_in.isVisible, places=_PALETTE, also="password token secret"),
            Action("registries.clean", "Clean up the chosen registry …", self.open_clean_up,
                   when=self.clean.isEnabled, places=_PALETTE),
            Action("registries.remove", "Remove the chosen registry …", self._ask_to_remove,
                   when=self.remove.isEnabled, places=_PALETTE),
            *self.store.actions_here(),
        ]  # fmt: skip

    # Acts.

    def _add(self) -> None:
        dialog = RegistryDialog(self.window(), self.context)
        dialog.accepted.connect(self.look)
        dialog.open()

    def _open_models(self) -> None:
        one = self.chosen()
        if one is not None and words.has_models(one):
            self.context.act("models.look", self.context, None if one.is_default else one.name)

    def ask_login(self) -> None:
        one = self.chosen()
        if one is not None and words.can_log_in(one):
            dialog = LoginDialog(self.window(), self.context, one)
            # Looked at again however it ends: what was typed is kept by then, whether it lets one in or not.
            dialog.finished.connect(lambda _result: self._look_anew(one.name))
            dialog.open()

    def _look_anew(self, name: str) -> None:
        self._looked.pop(name, None)
        self.look()

    def open_clean_up(self) -> None:
        one = self.chosen()
        if one is not None:
            CleanUpDialog(self.window(), self.context, one.name, self.store.look_again).open()

    def _make_default(self) -> None:
        one = self.chosen()
        if one is None:
            return
        name = "" if one.name == words.OWN else one.name

        def done(_setting: SettingValue) -> None:
            self.context.say("info", f"{one.name} is meant where no registry is named.")
            self.look()

        self.context.ask("make default", lambda desk: desk.settings.set(_DEFAULT, name), done)

    def _ask_to_migrate(self) -> None:
        one = self.chosen()
        if one is not None and words.can_migrate(one):
            text = (
                f"MLflow copies the runs and models of {plain(one.uri, 200)} into mlflow.db beside it, and {one.name} "
                "is that store from then on. The folder stays as it is: files of runs go on lying there. What is "
                "logged to the folder later does not come along."
            )
            title = f"Copy {plain(one.name, 60)} into a store?"
            ask(self.window(), title, text, "Copy", lambda: self._copy(one.name), harmful=False)

    def _copy(self, name: str) -> None:
        def done(copied: MigratedFolder) -> None:
            self.context.say("warning" if copied.losses else "info", words.migrated(copied))
            self._looked.pop(name, None)
            self.look()

        self.context.say("info", f"{name} is being copied into a store; you can go on meanwhile.")
        self.context.ask("copy a folder of runs", lambda desk: desk.registry.migrate(name), done)

    def _ask_to_remove(self) -> None:
        one = self.chosen()
        if one is not None:
            login = " The secret that was made for its login goes with it." if one.login else ""
            text = f"{plain(one.uri, 200)}\n\nIt only goes from this list; nothing is changed there.{login}"
            ask(self.window(), f"Remove {plain(one.name, 60)}?", text, "Remove registry", lambda: self._go(one.name))

    def _go(self, name: str) -> None:
        def done(_gone: Tracker) -> None:
            self.context.say("info", f"The registry {name} is off the list.")
            self.look()

        self.context.ask("remove registry", lambda desk: desk.registry.remove(name), done)


def _ask(desk: ClientLike) -> dict[str, Tracker]:
    return {one.name: one for one in desk.registry.list()}
