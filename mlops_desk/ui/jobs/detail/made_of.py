"""What the job was asked to be, as the file that would submit it again; beside it attempts, use, and its capsule."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QSplitter, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import LINE_LIMIT, plain
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import Job
from mlops_desk.ui.jobs.detail import facts
from mlops_desk.ui.jobs.detail.view import DetailView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.button import CopyButton
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.facts import Fact, FactGrid
from mlops_desk.ui.widgets.scroll import scrolled, thin


class MadeOfView(DetailView):
    """``text`` is the file, ``facts`` the rest."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.text = QPlainTextEdit()
        thin(self.text)
        self.text.setReadOnly(True)
        self.text.setFont(theme.fixed_font())
        self.text.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setAccessibleName("The job's file")
        self._says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.facts = FactGrid()
        self._file = ""  # as it was told: what is shown has control characters made visible
        self._asked: str | None = None
        file = Card()
        head = QHBoxLayout()
        head.addWidget(self._says, 1)
        head.addWidget(CopyButton("Copy", lambda: self._file))
        file.column.addLayout(head)
        file.column.addWidget(self.text, 1)
        about = QWidget()
        column = QVBoxLayout(about)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.facts)
        column.addStretch()
        card = Card("Attempts, and what it is made of")
        card.column.addWidget(scrolled(about, "Attempts, and what it is made of"), 1)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(file)
        split.addWidget(card)
        split.setSizes([theme.DETAIL_WIDTH, theme.DETAIL_WIDTH])
        split.setHandleWidth(theme.SPACE_8)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(split)

    def show_job(self, job: JobBrief | None, whole: Job | None) -> None:
        if job is None:
            self._asked = None
            self.text.clear()
            self.facts.show_facts([])
            return
        if self._asked != job.id:
            self._asked = job.id
            self.text.clear()
            self._says.show_text("Loading the file …")
            self.context.ask(
                "file of the job",
                lambda desk: desk.jobs.yaml(job.id),
                lambda text: self._take(job.id, text),
                lambda error: self._refused(job.id, error),
            )
        if whole is None:
            self.facts.show_facts([Fact("Image", job.image, fixed=True)])
            return
        self.facts.show_facts(
            [
                *map(facts.attempt_fact, whole.attempts),
                *facts.repeat_facts(whole.repeat),
                *facts.import_facts(whole.imported),
                *facts.usage_facts(whole.usage),
                *facts.spec_facts(whole.spec, whole.image_id),
                *facts.capsule_facts(whole.capsule),
            ]
        )

    def left(self) -> None:
        self._asked = None

    def _take(self, identifier: str, text: str) -> None:
        if identifier == self._asked:
            self._says.show_text("The file that would submit it again")
            self._file = text
            self.text.setPlainText("\n".join(plain(line, LINE_LIMIT) for line in text.splitlines()))

    def _refused(self, identifier: str, error: DeskError) -> None:
        if identifier == self._asked:
            self._says.show_text(f"{error.message} {error.hint or ''}".strip())
