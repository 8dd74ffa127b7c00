"""Deploy a model version as an endpoint: model, version and endpoint are chosen, only a new name is typed.

A new endpoint's token, shown once: whoever closes it without a copy makes another one.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.button import Button, answers
from mlops_desk.kit.window.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.kit.window.widgets.command import CommandLine
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog, Paragraph
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.model import Model, ModelVersion
from mlops_desk.serving.records.access import DeployedEndpoint
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.window import words

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task
    from mlops_desk.serving.records.model_fit import ModelFit
    from mlops_desk.serving.records.runtime_choice import RuntimeChoice


class TokenDialog(QDialog):
    """Shows the token of an endpoint, with a button that copies it."""

    def __init__(self, parent: QWidget | None, name: str, token: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Token of endpoint {plain(name)}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        text = "Whoever asks the endpoint sends it along: Authorization: Bearer TOKEN. It is shown this once."
        self.token = CommandLine("Token")
        self.token.show_command(token)
        again = CommandLine("Command that makes another token")
        again.show_command(f"mlops-desk endpoints token {name}")
        self.leave = Button("Done", main=True)
        self.leave.clicked.connect(self.accept)
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.SPACE_16,) * 4)
        column.setSpacing(theme.SPACE_12)
        column.addWidget(Paragraph(text))
        column.addWidget(self.token)
        column.addWidget(Paragraph("Where it is lost, its owner makes another one:", tone="muted"))
        column.addWidget(again)
        column.addLayout(answers(self.leave))
        self.resize(theme.DIALOG_WIDTH, self.sizeHint().height())


# Where a deployment is to be placed: on how many GPUs, in how many replicas, and whether the model fits there.
_GPUS = (0, 1, 2, 4, 8)  # chosen: as models are spread; other numbers are for the command line
_REPLICAS = (1, 2, 3, 4, 8)  # chosen: likewise
_AS_BEFORE = "As before"


class PlaceFields:
    """Two lists and a line; ``moved`` hears that another number of GPUs was chosen."""

    def __init__(self, moved: Callable[[], None]) -> None:
        self.gpus, self.replicas = ChoiceBox("GPUs"), ChoiceBox("Replicas")
        self.fit = Paragraph(points=theme.CAPTION_POINTS, tone="muted")
        self.fit.setAccessibleName("Whether it fits")
        self._is_new: bool | None = None
        self.show_endpoint(None)
        self.gpus.currentIndexChanged.connect(lambda _index: moved())

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        """Offer to leave both as they are, where there is something that they are."""
        if self._is_new is (endpoint is None):
            return
        self._is_new = endpoint is None
        for box, counts, none in ((self.gpus, _GPUS, "None: on processors"), (self.replicas, _REPLICAS, "")):
            blocked = box.blockSignals(True)
            box.clear()
            if endpoint is not None:
                box.addItem(_AS_BEFORE, None)
            for count in counts:
                noun = "GPU for each replica" if box is self.gpus else "replica"
                box.addItem(none if count == 0 else numbers.count(count, noun, _many(noun)), count)
            box.blockSignals(blocked)

    def n_gpus(self) -> int | None:
        """Return how many GPUs each replica is to have; None: as before."""
        chosen: int | None = self.gpus.currentData()
        return chosen

    def n_replicas(self) -> int | None:
        """Return how many replicas there are to be; None: as before."""
        chosen: int | None = self.replicas.currentData()
        return chosen

    def show_fit(self, fit: "ModelFit") -> None:
        """Tell whether it fits."""
        mark = {True: numbers.OK, False: numbers.ALERT, None: numbers.UNKNOWN}[fit.is_possible]
        tone = {True: "ok", False: "alert", None: "muted"}[fit.is_possible]
        word = {True: "It fits. ", False: "It does not fit. ", None: ""}[fit.is_possible]
        self.say(f"{mark} {word}{plain(fit.text)}", tone)

    def say(self, text: str, tone: str) -> None:
        self.fit.show_text(text)
        self.fit.tint(tone)


def _many(noun: str) -> str:
    return noun.replace("GPU", "GPUs") if noun.startswith("GPU") else f"{noun}s"


_BY_ITSELF = ("chosen by itself", "auto")
_TITLE, _TIP = 60, 400  # characters: a line, and a paragraph
_CANARY_PERCENT = 5.0  # chosen: the first step of a rollout
_AT_ONCE, _CANARY, _SHADOW = range(3)
_STARTS = ("At once, when it answers", "As a canary, with 5 % of the requests", "As a shadow, with copies of requests")
_NEW = "A new endpoint"
_MOST_VERSIONS = 200  # chosen: a list of more is not looked through; older ones are deployed from the page on models


class DeployDialog(FormDialog):
    """Does not wait until it is live, the page shows that. ``model`` is MODEL, MODEL@ALIAS or MODEL/VERSION."""

    def __init__(self, parent: QWidget | None, context: Context, model: str = "", name: str = "") -> None:
        about = (
            "It is served from the image that it was trained in, else from one with its requirements, and tried first. "
            "What answers now goes on until then."
        )
        super().__init__(parent, "Deploy a model", about, "Deploy")
        self._context = context
        self._asked_for = model
        self._asked: list[Task] = []
        self._aliases: dict[str, Mapping[str, str]] = {}
        self.model = ChoiceBox("Model")
        self.version = ChoiceBox("Version")
        self.endpoint = ChoiceBox("Endpoint")
        self.name = Field("Name", "digits")
        self.runtime = ChoiceBox("Runtime")
        self.start = ChoiceBox("Start")
        self._fill()
        self.add("Model", self.model)
        self.add("Version", self.version, "An alias means the version that it points at now")
        self.add("Endpoint", self.endpoint)
        self.add("Its name", self.name, "It is part of the address, so: small letters, digits and dashes")
        self.add("Runtime", self.runtime)
        self.add("Takes over", self.start)
        self.place = PlaceFields(self._want_fit)
        for title, field in (("GPUs", self.place.gpus), ("Replicas", self.place.replicas)):
            self.add(title, field)
        self.fields.addRow("", self.place.fit)
        self.follows = CheckBox("Deploy again when the alias moves")
        self.add("Alias", self.follows)
        self.opens = CheckBox("Open to every user of this machine")
        self.add("Access", self.opens, "Else whoever asks it needs a token. One that is there stays as it is.")
        self.model.currentIndexChanged.connect(lambda _index: self._want_versions())
        self.version.currentIndexChanged.connect(lambda _index: self._show_version())
        self.endpoint.currentIndexChanged.connect(lambda _index: self._show_name())
        self.submit = self._deploy
        if name:
            self.endpoint.setCurrentIndex(max(0, self.endpoint.findData(name)))
        self._show_name()
        self._want_models()

    def _fill(self) -> None:
        self.runtime.addItem(*_BY_ITSELF)
        for key, title in words.RUNTIMES.items():
            self.runtime.addItem(title, key)
        self.start.addItems(list(_STARTS))
        self.endpoint.addItem(_NEW, None)
        for known in sorted(self._context.store.endpoints.value or {}):
            self.endpoint.addItem(plain(known), known)
        if self._asked_for:
            self.model.addItem(plain(_model_of(self._asked_for)), _model_of(self._asked_for))
            self._offer_versions([], {})

    def done(self, result: int) -> None:
        """Hear no answer any more, once it is closed."""
        for task in self._asked:
            task.cancel()
        super().done(result)

    # What can be chosen.

    def _want_models(self) -> None:
        self._asked.append(self._context.ask("models", lambda desk: desk.models.list(), self._offer_models, self.fail))

    def _offer_models(self, models: Sequence[Model]) -> None:
        wanted = self.model.currentData()
        self.model.blockSignals(True)
        self.model.clear()
        for name in sorted({model.name for model in models} | ({wanted} if wanted else set())):
            self.model.addItem(plain(name), name)
        self.model.setCurrentIndex(max(0, self.model.findData(wanted)))
        self.model.blockSignals(False)
        self._aliases = {model.name: model.aliases for model in models}
        if not self.model.count():
            self.fail(Invalid("There is no model to deploy yet.", "Log one from a job, or register one."))
            return
        self._want_versions()

    def _want_versions(self) -> None:
        name = self.model.currentData()
        if not name:
            return
        self._suggest(name)
        aliases = self._aliases.get(name, {})
        self._offer_versions([], aliases)

        def got(versions: Sequence[ModelVersion]) -> None:
            if self.model.currentData() == name:
                self._offer_versions(versions, aliases)

        def failed(error: DeskError) -> None:
            if self.model.currentData() == name:
                self.fail(error)

        self._asked.append(self._context.ask("versions", lambda desk: desk.models.versions(name), got, failed))

    def _offer_versions(self, versions: Sequence[ModelVersion], aliases: Mapping[str, str]) -> None:
        """Offer aliases first, then versions, the newest first; what was asked for or chosen stays chosen."""
        name = self.model.currentData()
        wanted = self.version.currentData() or self._asked_for
        offered = {f"{name}@{alias}": f"@{alias}, version {now}" for alias, now in aliases.items()}
        for one in versions[:_MOST_VERSIONS]:
            made = f" · {numbers.ago(one.created_at)}" if one.created_at else ""
            offered[f"{name}/{one.version}"] = f"version {one.version}{made}"
        if self._asked_for and _model_of(self._asked_for) == name and self._asked_for not in {*offered, name}:
            offered[self._asked_for] = self._asked_for
        self.version.clear()
        for key, title in offered.items():
            self.version.addItem(plain(title), key)
        self.version.setCurrentIndex(max(0, self.version.findData(wanted)))

    def _suggest(self, model: str) -> None:
        if self.endpoint.currentData() is None and not self.name.isModified():
            self.name.setText(re.sub(r"[^a-z0-9-]+", "-", model.lower()).strip("-"))

    def _show_version(self) -> None:
        """Let an alias be followed where one was chosen, and tell whether the version fits."""
        alias = _alias_of(self.version.currentData() or "")
        known = (self._context.store.endpoints.value or {}).get(self.endpoint.currentData() or "")
        self.follows.setEnabled(alias is not None)
        if alias is None:
            self.follows.setChecked(False)
        elif known is not None and known.follows == alias:
            self.follows.setChecked(True)
        self._want_runtimes()
        self._want_fit()

    def _want_runtimes(self) -> None:
        """Ask by what the version can be served here; until that is told, every runtime is offered."""
        model = self.version.currentData()
        if not model:
            return

        def got(found: "Sequence[RuntimeChoice]") -> None:
            if self.version.currentData() == model:
                self._offer_runtimes(found)

        self._asked.append(self._context.ask("runtimes", lambda desk: desk.endpoints.runtimes(model), got, self.fail))

    def _offer_runtimes(self, found: "Sequence[RuntimeChoice]") -> None:
        """Offer them in the order of choice; one that can't serve here says so, and more in its tip."""
        chosen = self.runtime.currentData()
        self.runtime.clear()
        self.runtime.addItem(*_BY_ITSELF)
        for one in found:
            title = words.RUNTIMES.get(one.word, plain(one.title, _TITLE))
            tried = ", never run on a real one" if one.never_run else ""
            cannot = ", not possible here" if one.obstacle is not None else ""
            self.runtime.addItem(f"{title}{tried}{cannot}", one.word)
            why = "" if one.obstacle is None else f"{one.obstacle.text} {one.obstacle.hint or ''}".strip()
            tip = plain(why or one.about, _TIP)
            self.runtime.setItemData(self.runtime.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.runtime.setCurrentIndex(max(0, self.runtime.findData(chosen)))

    def _want_fit(self) -> None:
        """Ask whether what is chosen fits, where it is to be placed."""
        model, gpus = self.version.currentData(), self.place.n_gpus()
        if not model:
            return
        known = (self._context.store.endpoints.value or {}).get(self.endpoint.currentData() or "")
        count = gpus if gpus is not None else known.revisions[-1].gpus if known is not None and known.revisions else 0
        asked = (model, gpus)
        self.place.say("Looking whether it fits …", "muted")

        def is_meant() -> bool:
            return asked == (self.version.currentData(), self.place.n_gpus())

        def got(fit: "ModelFit") -> None:
            if is_meant():
                self.place.show_fit(fit)

        def failed(error: DeskError) -> None:
            if is_meant():
                self.place.say(f"Whether it fits is not known: {error.message}", "muted")

        self._asked.append(self._context.ask("fit", lambda desk: desk.endpoints.fit(model, count), got, failed))

    def _show_name(self) -> None:
        """Let a name be typed for a new endpoint alone; only an older one has something to take over from."""
        is_new = self.endpoint.currentData() is None
        self.name.setEnabled(is_new)
        if is_new:
            self._suggest(self.model.currentData() or "")
        else:
            self.name.setText(plain(self.endpoint.currentData()))
        self.start.setEnabled(not is_new)
        self.place.show_endpoint((self._context.store.endpoints.value or {}).get(self.endpoint.currentData() or ""))

    # Deploying.

    def _deploy(self) -> None:
        model = self.version.currentData()
        known = self.endpoint.currentData()
        name = known or self.name.text().strip()
        if not model or not name:
            self.fail(Invalid("A deployment needs a version and a name.", "Choose the version, and give it a name."))
            return
        runtime = self.runtime.currentData()
        start = self.start.currentIndex() if known else _AT_ONCE
        is_open = True if self.opens.isChecked() else None
        gpus, replicas = self.place.n_gpus(), self.place.n_replicas()
        alias = _alias_of(model) if self.follows.isChecked() else None
        self.begin("Deploying …")
        self._context.ask(
            "deploy",
            lambda desk: desk.endpoints.deploy(
                model,
                name,
                runtime=runtime,
                shadow=start == _SHADOW,
                canary=_CANARY_PERCENT if start == _CANARY else None,
                open=is_open,
                gpus=gpus,
                replicas=replicas,
                follow=alias,
                wait=False,
            ),
            self._done,
            self.fail,
        )

    def _done(self, endpoint: DeployedEndpoint) -> None:
        self._context.say("info", f"Endpoint {endpoint.name} is {endpoint.state}.")
        self._context.open_page("endpoints", endpoint.name)
        self.accept()
        if endpoint.token is not None:
            TokenDialog(self._context.frame, endpoint.name, endpoint.token).open()


def open_deploy(context: Context, model: str = "", name: str = "") -> DeployDialog:
    """Open the question over the window, with what is known of the answer."""
    dialog = DeployDialog(context.frame, context, model, name)
    dialog.open()
    return dialog


def _alias_of(model: str) -> str | None:
    """Return the alias by which a version was chosen; None for one by its number."""
    name, mark, alias = model.rpartition("@")
    return alias if mark and name else None


def _model_of(text: str) -> str:
    return re.split(r"[@/]", text)[0]
