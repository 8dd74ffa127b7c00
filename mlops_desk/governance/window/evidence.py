"""Evidence: one signed file with everything about the chosen version, and whether such a file is as it was made.

A file is looked at by a process of its own, which needs no agent and opens nothing that is in it.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.governance.window.file_export import ask_where, written
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.signatures import SIGNATURE
from mlops_desk.kit.base.errors import DeskError, Refused
from mlops_desk.kit.base.process import run_watched
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.task_progress import HereWork, UndertakingBar
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.evidence import EvidencePack, EvidenceVerification, PartState

_WORKER = "mlops_desk.governance.evidence.worker"
_SILENCE_SECONDS = 120.0  # as long as the command line waits
_PACKS = "Evidence packs (*.zip);;All files (*)"
_WAITING = "Choose a version above to make a pack of it, or drop a pack here to have it looked at."
_READY = (
    "A pack is one signed file: card, lineage, run, data, drift, approvals, the audit's records and the packages of "
    "the version. Drop one here to have it looked at."
)
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
        self._is_fresh = True
        self.says = Label(_WAITING, tone="muted", wrap=True)
        self.facts = FactGrid()
        self.under_way = UndertakingBar(context, "How far it is")
        self.under_way.moved.connect(self._enable)
        self.setAcceptDrops(True)
        card = Card("Evidence pack")
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.build)
        row.addWidget(self.verify)
        row.addStretch(1)
        self.says.setAlignment(Qt.AlignmentFlag.AlignTop)
        card.column.addLayout(row)
        card.column.addWidget(self.under_way)
        card.column.addWidget(self.says)
        card.column.addWidget(scrolled(self.facts, "What is in the pack"), 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(card)
        self._enable()

    def of_version(self, version: str | None) -> None:
        """Hear which version is chosen."""
        self.version = version
        self.build.show_title("Build …" if version is None else f"Build a pack of {plain(version, 60)} …")
        self.build.updateGeometry()
        self._enable()
        if self._is_fresh:
            self._say(_WAITING if version is None else _READY, "muted")

    def _enable(self) -> None:
        self.build.setEnabled(self.version is not None and not self.under_way.is_busy)
        self.verify.setEnabled(not self.under_way.is_busy)

    def look(self) -> None:
        """Say why no version is chosen, where that is known; nothing is asked before somebody wants it."""
        error = self.context.store.models.error
        if self.version is None and self._is_fresh and error is not None:
            told = f"{numbers.WARNING} Versions can't be listed: {error.message} {error.hint or ''}"
            self._say(told.rstrip(), "warning")
            self._is_fresh = True

    # Making one.

    def ask_where_to(self) -> None:
        """Ask for the file that the pack is written to."""
        if self.version is not None:
            name = f"{plain(self.version, 80).replace('/', '-')}-evidence.zip"
            self.chooser = ask_where(self, "Build an evidence pack", name, _PACKS, partial(self._build, self.version))

    def _build(self, version: str, path: str) -> None:
        def make(desk: ClientLike, ticket: str) -> tuple[EvidencePack, str]:
            made = desk.evidence.build(version, ticket)
            return made, written(path, made.data)

        self._say(f"Collecting what is known of {plain(version, 100)} …", "muted")
        self.facts.show_facts([])
        self.under_way.begin("build evidence", make, self._built, self._failed)

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
        if self.under_way.is_busy:
            return
        self._say(f"Looking at {plain(path, 200)} …", "muted")
        self.facts.show_facts([])
        work = HereWork("The look at the pack")
        self.under_way.begin_here(work, lambda _desk: verified(path, work), self._verified, self._failed, alone=True)

    def _verified(self, found: EvidenceVerification) -> None:
        if found.intact:
            self._say(f"{numbers.OK} It is as it was made: {numbers.count(found.files, 'file')} hold.", "ok")
        else:
            self._say(f"{numbers.ALERT} It is not as it was made. Do not rely on any of it.", "alert")
        bad = [] if found.intact else [
            Fact("File", plain(found.first_bad or "none by itself", 120), "alert"),
            Fact("Why", plain(found.why or numbers.NOTHING, 300), "alert"),
        ]  # fmt: skip
        facts = [] if found.model is None else [Fact("Of", f"{plain(found.model)} v{plain(found.version or '?')}")]
        facts += [_signed(found), moment_fact("Made, as it says", found.made_at)]
        facts += [Fact("Audit", numbers.count(found.records, "record"))] if found.records else []
        self.facts.show_facts([*bad, *facts])

    def _failed(self, error: DeskError) -> None:
        if isinstance(error, Refused):
            self._say(f"{error.message} {error.hint or ''}".strip(), "warning")
            return
        self._say(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip(), "alert")

    def _say(self, text: str, tone: str) -> None:
        self._is_fresh = text in {_WAITING, _READY}
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
                   when=self.build.isEnabled, asks=True),
            Action("evidence.verify", "Verify an evidence pack …", self.ask_which),
        ]  # fmt: skip


def _signed(found: EvidenceVerification) -> Fact:
    """Say who signed a pack; whether a signature holds is not asked where a file that it is of does not."""
    if found.signer is not None:
        return Fact("Signed by", plain(found.signer, 100), fixed=True)
    if found.first_bad == SIGNATURE:
        return Fact("Signed by", f"{numbers.ALERT} nobody: the signature does not hold", "alert")
    return Fact("Signed by", f"{numbers.UNKNOWN} not looked at, because a file does not hold", "unknown")


def verified(path: str, work: HereWork) -> EvidenceVerification:
    """Return what a process of its own finds of a pack. Raises DeskErrors."""
    request = {"file": str(Path(path).absolute()), "signer": None}
    found = run_watched(_WORKER, request, _hearing(work), _SILENCE_SECONDS)
    return wire.from_builtins(found, EvidenceVerification)


def _hearing(work: HereWork) -> Callable[[str], bool]:
    """Return what takes the lines that the process says: ``DONE TOTAL FILE``."""

    def hear(line: str) -> bool:
        done, _, more = line.partition(" ")
        total, _, file = more.partition(" ")
        if done.isdigit() and total.isdigit():
            work.tell(f"{plain(file, 80)}, file {int(done) + 1} of {total}.", int(done), int(total))
        elif work.stopping.is_set():
            work.tell("Stopping.")
        return True

    return hear
