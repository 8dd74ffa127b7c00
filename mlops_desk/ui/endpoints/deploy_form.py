"""Deploy a model version as an endpoint."""

import re

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import Invalid
from mlops_desk.records.serving.access import DeployedEndpoint
from mlops_desk.ui.endpoints.token_dialog import TokenDialog
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.widgets.choice import CheckBox
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog


class DeployDialog(FormDialog):
    """Asks for the model and the endpoint's name; does not wait until it is live, the page shows that."""

    def __init__(self, parent: QWidget | None, context: Context, model: str = "", name: str = "") -> None:
        about = (
            "It is served from the image that it was trained in, else from one with its requirements, and tried first. "
            "An endpoint of that name gets a new revision."
        )
        super().__init__(parent, "Deploy a model", about, "Deploy")
        self._context = context
        self.model = Field("Model", "digits, digits@champion or digits/3", text=model)
        self.name = Field("Name", "digits", text=name or _suggest(model))
        self.add("Model", self.model, "MODEL, MODEL@ALIAS or MODEL/VERSION of the desk's own registry")
        self.add("Endpoint", self.name, "It is part of the address, so: small letters, digits and dashes")
        self.opens = CheckBox("Open to every user of this machine")
        self.add("Access", self.opens, "Else whoever asks it needs a token. One that is there stays as it is.")
        self.submit = self._deploy
        (self.model if not model else self.name).setFocus()

    def _deploy(self) -> None:
        model, name = self.model.text().strip(), self.name.text().strip()
        if not model or not name:
            self.fail(Invalid("A deployment needs a model and a name.", "Fill in both fields."))
            return
        self.begin("Deploying …")
        is_open = True if self.opens.isChecked() else None
        self._context.ask(
            "deploy", lambda desk: desk.endpoints.deploy(model, name, open=is_open, wait=False), self._done, self.fail
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


def _suggest(model: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", re.split(r"[@/]", model)[0].lower()).strip("-")
