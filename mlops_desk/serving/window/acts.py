"""What can be done with the chosen endpoint, each with its question where something is lost."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.parts.task_progress import UndertakingBar
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.widgets.path_field import PathField
from mlops_desk.kit.window.words import numbers
from mlops_desk.serving.records.access import NewToken
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from mlops_desk.serving.records.rollout import Rollout
from mlops_desk.serving.verbs.endpoints import Endpoints
from mlops_desk.serving.window.deploy_form import TokenDialog, open_deploy
from mlops_desk.serving.window.words import earlier

if TYPE_CHECKING:
    from mlops_desk.serving.records.export import ExportedEndpoint


# Write a revision down to be run elsewhere: in which form and where, and how far it is.
_FORMATS = (
    ("bundle", "Bundle: all of it, signed, with a script that checks it", ""),
    ("oci", "Image archive (OCI), as container engines load it", ".tar"),
    ("compose", "Compose file with the image", ""),
    ("systemd", "systemd unit and Quadlet with the image", ""),
)

_KINDS = ("Machines like this one", "Machines of another kind, as arm64")


class ExportDialog(FormDialog):
    """Stays open while it is written, with a button that stops it; afterwards it says where it lies."""

    def __init__(self, parent: QWidget | None, context: Context, endpoint: Endpoint, revision: int) -> None:
        about = (
            f"Revision {revision} of {endpoint.name}, with its model and what serves it, as files for another machine. "
            "The agent writes them on this machine, as the user whose agent it is."
        )
        super().__init__(parent, f"Export {endpoint.name}", about, "Export")
        self._context = context
        self._name, self._revision = endpoint.name, revision
        self.format = ChoiceBox("Format")
        for word, title, _ in _FORMATS:
            self.format.addItem(title, word)
        self.out = Field("Where to")
        self.kind = ChoiceBox("For")
        for title in _KINDS:
            self.kind.addItem(title)
        self.base = PathField(
            "Base image", "The base image, as a file", "as python-arm64.tar", files="Images (*.tar);;All files (*)"
        )
        self.wheels = PathField("Wheels", "The folder of wheels", "as /srv/arm64")
        self.platform = Field("Platform", "as linux/arm64")
        self.key = PathField("Signed by", "The private SSH key", "a key of the desk's own", files="All files (*)")
        self.under_way = UndertakingBar(context, "How far the export is")
        self.add("Format", self.format)
        self.add("Where to", self.out, "A new file (image archive) or folder; nothing is written over")
        self.add("Signed by", self.key, "A private SSH key without a password; empty: one of the desk's own")
        self.add("For", self.kind)
        self.add("Base image", self.base, "Python for that machine: an OCI archive, or one of docker save")
        self.add("Wheels", self.wheels, "All that the model needs there; what lacks is named first")
        self.add("Platform", self.platform, "Only where the base is for several; empty: its only one")
        self.fill(self.under_way, stretch=0)
        self.format.currentIndexChanged.connect(lambda _index: self._suggest())
        self.kind.currentIndexChanged.connect(lambda _index: self._fit())
        self.submit = self._export
        self._suggest()

    def _suggest(self) -> None:
        if not self.out.isModified():
            ending = _FORMATS[self.format.currentIndex()][2]
            self.out.setText(str(Path.home() / f"{self._name}-r{self._revision}{ending}"))
        self._fit()

    def _fit(self) -> None:
        """Ask for what counts for this format and this kind of machine alone."""
        self.show_field(self.key, shown=self.format.currentData() == "bundle")
        for field in (self.base, self.wheels, self.platform):
            self.show_field(field, shown=self.is_foreign)
        self.resize(self.width(), self.sizeHint().height())

    @property
    def is_foreign(self) -> bool:
        """Whether it is for a machine of another kind than this one."""
        return self.kind.currentIndex() == 1

    def _more(self) -> dict[str, str | None]:
        """Return what is asked for beside format and place. Raises Invalid for what is named by half."""
        more: dict[str, str | None] = {}
        if self.format.currentData() == "bundle" and self.key.text():
            more["key"] = _whole(self.key.text(), "The key")
        if self.is_foreign:
            more["base"] = _whole(self.base.text(), "The base image")
            more["wheels"] = _whole(self.wheels.text(), "The folder of wheels")
            more["platform"] = self.platform.text().strip() or None
        return more

    def _export(self) -> None:
        out = self.out.text().strip()
        if not out.startswith("/"):
            self.fail(Invalid("Where to write is not said.", "Give a whole path, as /data/churn.tar."))
            return
        try:
            more = self._more()
        except Invalid as error:
            self.fail(error)
            return
        name, revision, format_ = self._name, self._revision, self.format.currentData()
        self.begin("Exporting …")
        self.under_way.begin(
            "export",
            lambda desk, ticket: desk.endpoints.export(
                name, out, format=format_, revision=revision, ticket=ticket, **more
            ),
            self._done,
            self.fail,
        )

    def reject(self) -> None:
        """Stay while it is written: closed, nobody could stop it or hear what became of it."""
        if self.under_way.is_busy:
            self.under_way.stop.setFocus()
            return
        super().reject()

    def _done(self, done: "ExportedEndpoint") -> None:
        signed = "" if done.signer is None else f", signed by {done.signer}"
        self._context.say("info", f"{done.endpoint} is in {done.to}, {numbers.size(done.size_bytes)}{signed}.")
        self.accept()

    def fail(self, error: DeskError) -> None:
        super().fail(error)
        self.resize(self.width(), self.sizeHint().height())


def _whole(text: str, what: str) -> str:
    """Return a path as the agent can take it: from its root. Raises Invalid."""
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # ~NAME of a person who is none
        path = Path()
    if not text or not path.is_absolute():
        raise Invalid(f"{what} is not named by a whole path.", "Choose it, or give a path as /srv/arm64.")
    return str(path)


EndpointVerb = Callable[[Endpoints, str], object]
_RUNNING = set(EndpointState) - {EndpointState.FAILED, EndpointState.STOPPED}


class EndpointActs(QObject):
    """``chosen`` says which endpoint is meant. What the agent announces is what the page then shows."""

    def __init__(self, page: QWidget, context: Context, chosen: Callable[[], Endpoint | None]) -> None:
        super().__init__(page)
        self._page = page
        self._context = context
        self._chosen = chosen
        self.redeploy = Button("New revision …", asks=True)
        self.back = Button("Roll back …", tip="Let the revision before the live one answer all requests", asks=True)
        self.stop = Button("Stop …", harmful=True, asks=True)
        self.remove = Button("Remove …", harmful=True, asks=True)
        self.token = Button("New token …", tip="Make another token for who asks it; earlier ones hold", asks=True)
        self.wake_up = Button("Wake", main=True, tip="Start its containers without waiting for a request", asks=True)
        self.have_back = Button("Ask for its GPUs back", main=True, asks=True)
        self.redeploy.clicked.connect(self.deploy_again)
        self.wake_up.clicked.connect(self.wake)
        self.have_back.clicked.connect(self.claim)
        self.token.clicked.connect(self.make_token)
        self.back.clicked.connect(self.roll_back)
        self.stop.clicked.connect(self.ask_to_stop)
        self.remove.clicked.connect(self.ask_to_remove)

    def buttons(self) -> tuple[Button, ...]:
        return self.wake_up, self.have_back, self.redeploy, self.back, self.token, self.stop, self.remove

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        """Offer what can be done with it."""
        for button in (self.redeploy, self.remove):
            button.setVisible(endpoint is not None)
        # A revision on its way has a bar of its own, with the same act.
        self.back.setVisible(endpoint is not None and endpoint.rollout is None and earlier(endpoint) is not None)
        self.token.setVisible(endpoint is not None and endpoint.token_required)
        self.stop.setVisible(endpoint is not None and endpoint.state in _RUNNING)
        is_asleep = endpoint is not None and endpoint.state is EndpointState.ASLEEP
        has_lent = endpoint is not None and endpoint.lent is not None
        self.wake_up.setVisible(is_asleep and not has_lent)
        self.have_back.setVisible(has_lent)

    def deploy(self) -> None:
        """Open the form for a new endpoint."""
        open_deploy(self._context)

    def deploy_again(self) -> None:
        endpoint = self._chosen()
        if endpoint is not None:
            model = f"{endpoint.model.name}@{endpoint.model.alias}" if endpoint.model.alias else endpoint.model.name
            open_deploy(self._context, model, endpoint.name)

    def make_token(self) -> None:
        """Make a token and show it, this once."""
        endpoint = self._chosen()
        if endpoint is None or not endpoint.token_required:
            return
        name = endpoint.name

        def show(made: NewToken) -> None:
            if made.token is not None:
                TokenDialog(self._context.frame, name, made.token).open()

        self._context.ask("new token", lambda desk: desk.endpoints.token(name), show)

    def ask_to_stop(self) -> None:
        endpoint = self._chosen()
        if endpoint is None or endpoint.state not in _RUNNING:
            return
        text = (
            "Its containers end and requests are refused from now on. "
            "Its request log stays; a new revision brings it back."
        )
        stop = self._later("stop endpoint", lambda endpoints, name: endpoints.stop(name), endpoint)
        ask(self._page, f"Stop endpoint {endpoint.name}?", text, "Stop endpoint", stop)

    def ask_to_remove(self) -> None:
        endpoint = self._chosen()
        if endpoint is None:
            return
        text = "Its containers end and its name and revisions are forgotten. Its request log stays on disk."
        remove = self._later("remove endpoint", lambda endpoints, name: endpoints.remove(name), endpoint)
        ask(self._page, f"Remove endpoint {endpoint.name}?", text, "Remove endpoint", remove)

    # How it is set up.

    def follow(self, alias: str | None, canary: float | None) -> None:
        """Have it go with an alias, or with none."""
        if alias is None:
            self._do("pin endpoint", lambda endpoints, name: endpoints.pin(name))
        else:
            self._do("follow alias", lambda endpoints, name: endpoints.follow(name, alias, canary=canary))

    def scale(self, least: int, most: int, sleep_after: float) -> None:
        """Have so many replicas, which end after so many seconds without a request (0: never)."""
        wish = {"least": least, "most": most}
        self._do("scale", lambda endpoints, name: endpoints.scale(name, **wish, sleep_after=sleep_after))

    def put_to_sleep(self) -> None:
        """End its containers until the next request."""
        self._do("sleep", lambda endpoints, name: endpoints.sleep(name))

    def wake(self) -> None:
        """Start its containers without waiting for a request."""
        self._do("wake", lambda endpoints, name: endpoints.wake(name))

    def ask_to_pause(self) -> None:
        endpoint = self._chosen()
        if endpoint is None or endpoint.paused is not None:
            return
        text = (
            "Callers are turned away (503) until you resume it; what is under way is answered. "
            "Its containers stay up, and you can still try it."
        )
        pause = self._later("pause", lambda endpoints, name: endpoints.pause(name), endpoint)
        ask(self._page, f"Pause endpoint {endpoint.name}?", text, "Pause endpoint", pause)

    def resume(self) -> None:
        """Let it answer callers again."""
        self._do("resume", lambda endpoints, name: endpoints.resume(name))

    def ask_to_lend(self) -> None:
        endpoint = self._chosen()
        if endpoint is None:
            return
        text = (
            "Its containers end once they have answered, and requests are refused until you ask for its GPUs back. "
            "A job that has them then and is preemptible saves its work first; for any other the endpoint waits."
        )
        lend = self._later("lend", lambda endpoints, name: endpoints.lend(name), endpoint)
        ask(self._page, f"Lend the GPUs of {endpoint.name} to jobs?", text, "Lend them", lend)

    def claim(self) -> None:
        """Ask for its GPUs back."""
        endpoint = self._chosen()
        if endpoint is not None and endpoint.lent is not None:
            self._do("claim", lambda endpoints, name: endpoints.claim(name))

    # Revisions.

    def promote(self) -> None:
        """Let the revision on its way answer all requests."""
        if self._rollout() is not None:
            self._do("promote", lambda endpoints, name: endpoints.promote(name))

    def take_back(self) -> None:
        """Take the revision on its way out, without a question: the live one goes on."""
        if self._rollout() is not None:
            self._do("roll back", lambda endpoints, name: endpoints.rollback(name))

    def share(self, percent: int) -> None:
        """Give the revision on its way a share of the requests."""
        endpoint = self._chosen()
        if endpoint is None or endpoint.rollout is None:
            return
        shares = [f"{endpoint.rollout.revision}={percent}", f"{endpoint.revision}={100 - percent}"]
        self._do("split", lambda endpoints, name: endpoints.split(name, shares))

    def ask_to_make_live(self, revision: int) -> None:
        endpoint = self._chosen()
        if endpoint is None:
            return
        text = (
            f"It answers all requests as soon as it is up; until then revision {endpoint.revision} does. "
            f"Revision {endpoint.revision} stays in the list, so you can go back."
        )
        title = f"Let revision {revision} of {endpoint.name} answer?"
        make_live = self._later("promote", lambda endpoints, name: endpoints.promote(name, revision=revision), endpoint)
        act = "Roll back" if revision < endpoint.revision else "Make it live"
        ask(self._page, title, text, act, make_live, harmful=False)

    def roll_back(self) -> None:
        """Take the revision on its way out; where none is, ask whether the one before the live one is to answer."""
        endpoint = self._chosen()
        if endpoint is None:
            return
        before = earlier(endpoint)
        if endpoint.rollout is not None:
            self.take_back()
        elif before is not None:
            self.ask_to_make_live(before.revision)

    def can_roll_back(self) -> bool:
        """Tell whether there is something to roll back, or to."""
        endpoint = self._chosen()
        return endpoint is not None and (endpoint.rollout is not None or earlier(endpoint) is not None)

    def export(self, revision: int) -> None:
        """Open the question in which form and where to a revision is written."""
        endpoint = self._chosen()
        if endpoint is not None:
            ExportDialog(self._context.frame, self._context, endpoint, revision).open()

    def _rollout(self) -> Rollout | None:
        endpoint = self._chosen()
        return None if endpoint is None else endpoint.rollout

    def _do(self, what: str, verb: EndpointVerb) -> None:
        """Ask for something about the endpoint that is chosen now."""
        endpoint = self._chosen()
        if endpoint is not None:
            self._later(what, verb, endpoint)()

    def _later(self, what: str, verb: EndpointVerb, endpoint: Endpoint) -> Callable[[], None]:
        """Return what asks for something about this endpoint, whichever is chosen by then."""
        name = endpoint.name

        def begin() -> None:
            self._context.ask(what, lambda desk: verb(desk.endpoints, name), _nothing)

        return begin


def _nothing(_answer: object) -> None:
    """Wait for the announcement: a page paints what the agent told, not what was asked for."""
