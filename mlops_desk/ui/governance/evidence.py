"""Evidence: one signed file with everything about the chosen version, and whether such a file is as it was made.

A file is looked at by a process of its own, which needs no agent and opens nothing that is in it.
"""

from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.base import wire
from mlops_desk.base.errors import DeskError
from mlops_desk.base.process import run_worker
from mlops_desk.base.text import plain
from mlops_desk.records.registry.evidence import EvidencePack, EvidenceVerification, PartState
from mlops_desk.ui.actions import Action
from mlops_desk.ui.governance.saving import ask_where, written
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.words import numbers
from mlops_desk.verbs.desk import ClientLike

_WORKER = "mlops_desk.governance.evidence.worker"
_VERIFY_SECONDS = 120.0  # as long as the command line waits
_PACKS = "Evidence packs (*.zip);;All files (*)"
_PARTS = {
    PartState.THERE: (numbers.OK, "text"),
    PartState.NOTHING: (numbers.IDLE, "muted"),
    PartState.UNKNOWN: (numbers.UNKNOWN, "warning"),
}


class EvidenceTab(QWidget):
    """Make a pack of the chosen version, or drop one here to have it looked at."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.version: str | None = None
        self.build = Button("Build …", main=True, tip="Make a signed pack of the chosen version", asks=True)
        self.build.clicked.connect(self.ask_where_to)
        self.verify = Button("Verify a file …", tip="Tell whether a pack is as it was made; drop one here, too")
        self.verify.clicked.connect(self.ask_which)
        self.says = Label("Choose a version above to make a pack of it, or drop a pack here.", tone="muted", wrap=True)
        self.facts = FactGrid()
        self.setAcceptDrops(True)
        card = Card("Evidence pack")
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.build)
        row.addWidget(self.verify)
        row.addStretch(1)
        self.says.setAlignment(Qt.AlignmentFlag.AlignTop)
        card.column.addLayout(row)
        card.column.addWidget(self.says)
        card.column.addWidget(scrolled(self.facts, "What is in the pack"), 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(card)

    def of_version(self, version: str | None) -> None:
        """Hear which version is chosen."""
        self.version = version
        self.build.setEnabled(version is not None)

    def look(self) -> None:
        """Nothing is asked before somebody wants it."""

    # Making one.

    def ask_where_to(self) -> None:
        """Ask for the file that the pack is written to."""
        if self.version is not None:
            name = f"{plain(self.version, 80).replace('/', '-')}-evidence.zip"
            self.chooser = ask_where(self, "Build an evidence pack", name, _PACKS, partial(self._build, self.version))

    def _build(self, version: str, path: str) -> None:
        def make(desk: ClientLike) -> tuple[EvidencePack, str]:
            made = desk.evidence.build(version)
            return made, written(path, made.data)

        self._say(f"Collecting what is known of {plain(version, 100)} …", "muted")
        self.context.ask("build evidence", make, self._built, self._failed)

    def _built(self, done: tuple[EvidencePack, str]) -> None:
        made, path = done
        unknown = sum(part.state is PartState.UNKNOWN for part in made.parts)
        told = f" {numbers.count(unknown, 'part')} could not be told." if unknown else ""
        self._say(
            f"{numbers.OK} The pack of {plain(made.model)} v{plain(made.version)} is at {plain(path, 200)}.{told}", "ok"
        )
        facts = [Fact("Signed by", plain(made.signer, 100), fixed=True)]
        for part in made.parts:
            shape, tone = _PARTS[part.state]
            facts.append(
                Fact(plain(part.name, 60), f"{shape} {plain(part.file or part.why or 'there is none', 200)}", tone)
            )
        self.facts.show_facts(facts)

    # Looking at one.

    def ask_which(self) -> None:
        """Ask for the file that is looked at."""
        self.chooser = QFileDialog(self, "Verify an evidence pack", str(Path.home()), _PACKS)
        self.chooser.setFileMode(QFileDialog.FileMode.ExistingFile)
        self.chooser.fileSelected.connect(self.look_at)
        self.chooser.open()

    def look_at(self, path: str) -> None:
        """Tell whether a file is a pack as it was made."""
        self._say(f"Looking at {plain(path, 200)} …", "muted")
        self.facts.show_facts([])
        self.context.tasks().run("verify evidence", partial(verified, path), self._verified, self._failed)

    def _verified(self, found: EvidenceVerification) -> None:
        if found.intact:
            self._say(f"{numbers.OK} It is as it was made: {numbers.count(found.files, 'file')} hold.", "ok")
        else:
            bad = f" {plain(found.first_bad, 120)}:" if found.first_bad else ""
            self._say(f"{numbers.ALERT} It is not as it was made.{bad} {plain(found.why or '', 300)}", "alert")
        facts = [] if found.model is None else [Fact("Of", f"{plain(found.model)} v{plain(found.version or '?')}")]
        signer = plain(found.signer, 100) if found.signer else f"{numbers.ALERT} the signature does not hold"
        facts += [Fact("Signed by", signer, fixed=bool(found.signer)), moment_fact("Made, as it says", found.made_at)]
        self.facts.show_facts([*facts, Fact("Audit", numbers.count(found.records, "record"))])

    def _failed(self, error: DeskError) -> None:
        self._say(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip(), "alert")

    def _say(self, text: str, tone: str) -> None:
        self.says.show_text(text)
        self.says.tint(tone)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if len(event.mimeData().urls()) == 1 and event.mimeData().urls()[0].isLocalFile():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        urls = event.mimeData().urls()
        if urls and urls[0].isLocalFile():
            event.acceptProposedAction()
            self.look_at(urls[0].toLocalFile())

    def actions_here(self) -> list[Action]:
        return [
            Action("evidence.build", "Build an evidence pack of the chosen version …", self.ask_where_to,
                   when=lambda: self.version is not None, asks=True),
            Action("evidence.verify", "Verify an evidence pack …", self.ask_which),
        ]  # fmt: skip


def verified(path: str) -> EvidenceVerification:
    """Return what a process of its own finds of a pack. Raises DeskErrors."""
    request = {"file": str(Path(path).absolute()), "signer": None}
    return wire.from_builtins(run_worker(_WORKER, request, _VERIFY_SECONDS), EvidenceVerification)
