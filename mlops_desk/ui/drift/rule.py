"""Create a retraining rule."""

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.records.rules.kept import KeptRule
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog


class RuleDialog(FormDialog):
    """Asks for model, alias, metric, endpoint and where the new data lies."""

    def __init__(self, parent: QWidget, context: Context) -> None:
        about = (
            "When the endpoint drifts, the job that made the model runs again with new data. "
            "A person decides whether the alias moves."
        )
        super().__init__(parent, "New retraining rule", about, "Create rule")
        self._context = context
        self.name = Field("Name", "keep-digits-fresh")
        self.model = Field("Model", "digits")
        self.alias = Field("Alias", text="champion")
        self.measured = Field("Metric", "accuracy")
        self.lower_better = CheckBox("Lower is better")
        self.endpoint = ChoiceBox("When this drifts")
        self.endpoint.addItem("only by hand", None)
        for name in context.store.endpoints.value or {}:
            self.endpoint.addItem(plain(name), name)
        self.data = Field("New data", "/data=/data/digits-new")
        for title, field, text in (
            ("Name", self.name, ""), ("Model", self.model, ""), ("Alias", self.alias, ""),
            ("Metric", self.measured, "Champion and challenger are compared by this one"), ("", self.lower_better, ""),
            ("When this drifts", self.endpoint, ""),
            ("New data", self.data, "TARGET=PATH, more with commas: the job's mount at TARGET reads PATH instead"),
        ):  # fmt: skip
            self.add(title, field, text)
        self.lower_better.setAccessibleName("Lower is better")
        self.submit = self._create

    def _create(self) -> None:
        try:
            data = _pairs(self.data.text())
        except Invalid as error:
            self.fail(error)
            return
        name, model, metric = self.name.text().strip(), self.model.text().strip(), self.measured.text().strip()
        alias, endpoint, lower = self.alias.text().strip(), self.endpoint.currentData(), self.lower_better.isChecked()
        if not (name and model and metric and alias):
            self.fail(Invalid("A rule needs a name, a model, an alias and a metric.", "Fill in these fields."))
            return
        self.begin("Creating …")
        self._context.ask(
            "create rule",
            lambda desk: desk.rules.create(name, model, metric, alias, endpoint, data, lower_is_better=lower),
            self._done,
            self.fail,
        )

    def _done(self, rule: KeptRule) -> None:
        self._context.say("info", f"Rule {rule.name} is on.")
        self.accept()


def _pairs(text: str) -> dict[str, str] | None:
    """Read TARGET=PATH pairs; raises Invalid."""
    pairs = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        target, sign, path = part.partition("=")
        if not sign or not target.startswith("/") or not path.startswith("/"):
            raise Invalid(f"'{part}' is not TARGET=PATH.", "Both are absolute paths, as in /data=/data/digits-new.")
        pairs[target] = path
    return pairs or None
