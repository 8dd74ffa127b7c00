"""Deploy a model version as an endpoint: model, version and endpoint are chosen, only a new name is typed."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError, Invalid
from mlops_desk.base.text import plain
from mlops_desk.records.model import Model, ModelVersion
from mlops_desk.records.serving.access import DeployedEndpoint
from mlops_desk.ui.endpoints import words
from mlops_desk.ui.endpoints.token_dialog import TokenDialog
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

_RUNTIMES = (("auto", "chosen by itself"), *words.RUNTIMES.items())
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
        self.opens = CheckBox("Open to every user of this machine")
        self.add("Access", self.opens, "Else whoever asks it needs a token. One that is there stays as it is.")
        self.model.currentIndexChanged.connect(lambda _index: self._want_versions())
        self.endpoint.currentIndexChanged.connect(lambda _index: self._show_name())
        self.submit = self._deploy
        if name:
            self.endpoint.setCurrentIndex(max(0, self.endpoint.findData(name)))
        self._show_name()
        self._want_models()

    def _fill(self) -> None:
        for key, title in _RUNTIMES:
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
        if not self.name.isModified():
            self.name.setText(re.sub(r"[^a-z0-9-]+", "-", model.lower()).strip("-"))

    def _show_name(self) -> None:
        """Let a name be typed for a new endpoint alone; only an older one has something to take over from."""
        is_new = self.endpoint.currentData() is None
        self.name.setEnabled(is_new)
        self.start.setEnabled(not is_new)

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


def _model_of(text: str) -> str:
    return re.split(r"[@/]", text)[0]
