"""The forms of the catalogue: a set that is taken into it, and what people say of one."""

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from PySide6.QtWidgets import QWidget

from mlops_desk.governance.records.data.catalogue import DataSet, SetTraits
from mlops_desk.governance.window.data.facts import PERSONAL
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.close_guard import GuardedForm
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.path_field import PathField
from mlops_desk.kit.window.widgets.textbox import TextBox

_WHERE = {
    "folder": "A folder", "file": "A file, or a .dvc file", "run": "What a run has logged",
    "query": "A database's answer",
}  # fmt: skip
_ABOUT = "It is read and hashed in the agent, as you. Nothing of it is copied, and nothing of it is ever deleted."
_SAYING = "What only people know of it. The data themselves are not touched."
_DAYS = "Days that its rows are to be kept; nothing: nobody says how long"


class _Traits:
    """The fields of what people say of a set."""

    def __init__(self, form: GuardedForm, traits: SetTraits) -> None:
        self.owner = Field("Owner", "who answers for the data", text=traits.data_owner or "")
        self.licence = Field("Licence", "the terms that the data may be used under", text=traits.licence or "")
        self.personal = ChoiceBox("Data of persons")
        for word, title in PERSONAL.items():
            self.personal.addItem(title, word.value)
        self.personal.setCurrentIndex(self.personal.findData(traits.personal.value))
        days = "" if traits.retention_days is None else f"{traits.retention_days:g}"
        self.days = Field("Kept for", "days", text=days)
        self.notes = TextBox("Notes", traits.notes or "")
        self.notes.setLineWrapMode(TextBox.LineWrapMode.WidgetWidth)
        self.notes.setFont(theme.font())
        self.notes.setFixedHeight(2 * theme.FIELD_HEIGHT)
        form.add("Owner", self.owner)
        form.add("Licence", self.licence)
        form.add("Data of persons", self.personal)
        form.add("Kept for", self.days, _DAYS)
        form.add("Notes", self.notes)

    def typed(self) -> tuple[str, ...]:
        return (self.owner.text().strip(), self.licence.text().strip(), str(self.personal.currentData()),
                self.days.text().strip(), self.notes.toPlainText().strip())  # fmt: skip

    def days_said(self) -> float:
        """Return for how many days; 0: nobody says. Raises DeskError where it is no number."""
        text = self.days.text().strip()
        try:
            return float(text) if text else 0.0
        except ValueError:
            raise DeskError(f"{plain(text, 40)!r} is no number of days.", "As in 90; nothing says nothing.") from None


class RegisterDialog(GuardedForm):
    """Where a set lies is said in one of four ways; only its fields are shown."""

    def __init__(self, parent: QWidget, context: Context, done: Callable[[DataSet], None]) -> None:
        super().__init__(parent, "Register a data set", _ABOUT, "Register data set")
        self._context, self._done = context, done
        self.where = ChoiceBox("Where it lies")
        for key, title in _WHERE.items():
            self.where.addItem(title, key)
        self.folder = PathField("Folder", "Folder of the data", "/path/of/the/folder")
        self.file = PathField("File", "File of the data", "/path/of/the/file", files="All files (*)")
        self.run = Field("Run", "id of the run")
        self.dataset = Field("Data set of the run", "as mlflow.log_input(…) named it")
        self.database = Field("Database", "postgresql://user@host/name, without the password")
        self.query = Field("Query", "SELECT …")
        self.login = Field("Secret", "the secret of yours that has its password, if it needs one")
        self.name = Field("Name", "how people call it")
        self.add("Where it lies", self.where)
        self.add("Folder", self.folder)
        self.add("File", self.file)
        self.add("Run", self.run)
        self.add("Data set", self.dataset)
        self.add("Database", self.database)
        self.add("Query", self.query)
        self.add("Secret", self.login)
        self.add("Name", self.name)
        self.traits = _Traits(self, SetTraits())
        self._of = {
            "folder": (self.folder,), "file": (self.file,), "run": (self.run, self.dataset),
            "query": (self.database, self.query, self.login),
        }  # fmt: skip
        self._proposed = ""
        for field in (self.folder, self.file):
            field.line.textChanged.connect(self._propose)
        self.dataset.textChanged.connect(self._propose)
        self.where.currentIndexChanged.connect(lambda _place: self._show_fields())
        self._show_fields()
        self.submit = self._register
        self.guard(self._words)

    def _words(self) -> tuple[str, ...]:
        fields = (self.run, self.dataset, self.database, self.query, self.login, self.name)
        return (self.folder.text(), self.file.text(), *(one.text().strip() for one in fields), *self.traits.typed())

    def _show_fields(self) -> None:
        for key, fields in self._of.items():
            for field in fields:
                self.show_field(field, shown=key == self.where.currentData())
        self.resize(max(self.width(), theme.DIALOG_WIDTH), self.sizeHint().height())

    def _propose(self, text: str) -> None:
        """Call it as its file or folder is called, until somebody calls it otherwise."""
        if self.name.text() == self._proposed:
            self._proposed = plain(PurePosixPath(text.strip()).name, 100)
            self.name.setText(self._proposed)

    def _place(self) -> dict[str, str | None]:
        """Return the arguments that say where it lies. Raises DeskError where something is missing."""
        where = str(self.where.currentData())
        if where in {"folder", "file"}:
            path = (self.folder if where == "folder" else self.file).text()
            if not path.startswith("/"):
                raise DeskError("Where the data lie is not said.", "Choose it, or type its whole path.")
            return {"path": path}
        fields = {"run": self.run, "dataset": self.dataset} if where == "run" else {
            "database": self.database, "query": self.query, "login": self.login,
        }  # fmt: skip
        said = {key: field.text().strip() or None for key, field in fields.items()}
        lacks = next((field for key, field in fields.items() if key != "login" and said[key] is None), None)
        if lacks is not None:
            raise DeskError(f"{lacks.accessibleName()} is missing.", "The agent can't look at the data without it.")
        return said

    def _register(self) -> None:
        try:
            place, days = self._place(), self.traits.days_said()
        except DeskError as error:
            self.fail(error)
            return
        name = self.name.text().strip()
        owner, licence, personal, _days, notes = self.traits.typed()
        said: dict[str, Any] = {
            "data_owner": owner or None, "licence": licence or None, "personal": personal, "notes": notes or None,
            "retention_days": days or None, **place,
        }  # fmt: skip
        self.begin("Registering …")
        self._context.ask("register data", lambda desk: desk.data.register(name, **said), self._saved, self.fail)

    def _saved(self, found: DataSet) -> None:
        self._done(found)
        self.accept()


class TraitsDialog(GuardedForm):
    """What people say of a set; only what was changed is sent, an empty field takes back what was said."""

    def __init__(self, parent: QWidget, context: Context, found: DataSet, done: Callable[[DataSet], None]) -> None:
        super().__init__(parent, f"Data set {plain(found.brief.name, 80)}", _SAYING, "Save")
        self._context, self._done, self._name = context, done, found.brief.name
        self.traits = _Traits(self, found.brief.traits)
        self._before = self.traits.typed()
        self.submit = self._save
        self.guard(self.traits.typed)

    def _save(self) -> None:
        now = self.traits.typed()
        try:
            days = self.traits.days_said()
        except DeskError as error:
            self.fail(error)
            return
        if now == self._before:
            self.accept()
            return
        keys = ("data_owner", "licence", "personal", "retention_days", "notes")
        said: dict[str, Any] = {
            key: days if key == "retention_days" else text
            for key, text, before in zip(keys, now, self._before, strict=True)
            if text != before
        }
        name = self._name
        self.begin("Saving …")
        self._context.ask("update data", lambda desk: desk.data.update(name, **said), self._saved, self.fail)

    def _saved(self, found: DataSet) -> None:
        self._done(found)
        self.accept()
