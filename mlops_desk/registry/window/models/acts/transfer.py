"""A version into a file, and out of one into the registry that is looked at; what does not come along is told."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.transfer import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_desk.registry.records.transfer import Loss, Transferred
    from mlops_desk.registry.records.version_hit import VersionHit

_FILES = f"Versions of models (*{SUFFIX})"
_NAME_LIMIT = 80  # chosen: a file's name that is still read
_LOSSES = 3  # chosen: what one still reads in a notice


class VersionFile(QObject):
    """``imported`` tells that a version was registered."""

    imported = Signal()

    def __init__(self, page: QWidget, context: Context) -> None:
        super().__init__(page)
        self._page = page
        self._context = context

    def ask_export(self, hit: "VersionHit") -> None:
        """Ask where to, and write the version with its files and where it comes from into one file."""
        wished = str(Path.home() / f"{file_name(hit)}{SUFFIX}")
        chooser = QFileDialog(self._page, "Export a version", wished, _FILES)
        chooser.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        chooser.setDefaultSuffix(SUFFIX)
        chooser.selectFile(wished)
        chooser.fileSelected.connect(lambda path: self.export_to(hit, path))
        chooser.finished.connect(chooser.deleteLater)
        chooser.open()

    def export_to(self, hit: "VersionHit", path: str) -> None:
        name, version, uri = hit.name, hit.version, self._context.store.models_uri

        def written(made: "Transferred") -> None:
            said = f"Written to {made.path or path} ({numbers.size(made.size_bytes)}).{left_behind(made.losses)}"
            self._context.say("warning" if made.losses else "info", said)

        self._context.say("info", f"{name} version {version} is being written …")
        self._context.ask("export", lambda desk: desk.registry.export(name, version, path, uri=uri), written)

    def ask_import(self) -> None:
        """Ask for the file first, then under which name; the registry is the one that is looked at."""
        chooser = QFileDialog(self._page, "Import a version", str(Path.home()), f"{_FILES};;All files (*)")
        chooser.setFileMode(QFileDialog.FileMode.ExistingFile)
        chooser.fileSelected.connect(self.ask_name)
        chooser.finished.connect(chooser.deleteLater)
        chooser.open()

    def ask_name(self, path: str) -> "ImportDialog":
        dialog = ImportDialog(self._page, self._context, path)
        dialog.accepted.connect(self.imported)
        dialog.open()
        return dialog


class ImportDialog(FormDialog):
    """Says where to; the agent checks the file before it registers anything."""

    def __init__(self, parent: QWidget, context: Context, path: str) -> None:
        uri = context.store.models_uri
        where = "the registry that is meant by default" if uri is None else plain(uri, 120)
        about = (
            f"{plain(path, 200)} becomes a new version in {where}, with a run that says where it comes from. Its files "
            "are checked against their hashes first; nothing in them is loaded."
        )
        super().__init__(parent, "Import a version", about, "Import version")
        self._context = context
        self._path, self._uri = path, uri
        self.name = Field("Name of the model", "as it was called where it comes from")
        self.add("Model", self.name, "Leave it empty to keep its name; a model that is not there yet is made.")
        self.submit = self._import

    def _import(self) -> None:
        name = self.name.text().strip()
        if "/" in name or ":" in name:
            self.fail(Invalid("MLflow takes no slash and no colon in the name of a model.", "Choose another name."))
            return
        path, uri = self._path, self._uri
        self.begin("Importing …")
        self._context.ask(
            "import", lambda desk: desk.registry.import_(path, name=name or None, uri=uri), self._done, self.fail
        )

    def _done(self, made: "Transferred") -> None:
        said = f"It is {plain(made.reference or 'a new version', 120)} now: {numbers.count(made.n_files, 'file')}, "
        said += f"{numbers.size(made.size_bytes)}.{left_behind(made.losses)}"
        self._context.say("warning" if made.losses else "info", said)
        self.accept()


def file_name(hit: "VersionHit") -> str:
    """Return what the file of a version is called, of letters that every disk takes."""
    return re.sub(r"[^\w.-]+", "-", f"{hit.name}-{hit.version}")[:_NAME_LIMIT].strip("-.") or "model"


def left_behind(losses: "Sequence[Loss]") -> str:
    """Say what did not come along; nothing where everything did."""
    if not losses:
        return ""
    told = "; ".join(f"{plain(one.what, 60)}: {plain(one.why, 80)}" for one in losses[:_LOSSES])
    more = f"; and {len(losses) - _LOSSES:,} more" if len(losses) > _LOSSES else ""
    return f" Not along: {told}{more}."
