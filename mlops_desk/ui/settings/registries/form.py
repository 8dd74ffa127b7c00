"""Keep a registry in the list: its name and address, and what logs in, which goes to one's secrets and nowhere else."""

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError, Invalid
from mlops_desk.base.text import plain
from mlops_desk.records.registry.tracker import Tracker, TrackerKind
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.settings.registries.words import KINDS
from mlops_desk.ui.settings.secrets.form import secret_field
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.verbs.desk import ClientLike

_ABOUT = "Every page and every command takes its name from then on. Nothing is changed at the registry."


class RegistryDialog(FormDialog):
    """Adds one. A login that is typed becomes the secret registry-NAME; it is forgotten if the registry is refused."""

    def __init__(self, parent: QWidget, context: Context) -> None:
        super().__init__(parent, "Keep a registry", _ABOUT, "Keep registry")
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
