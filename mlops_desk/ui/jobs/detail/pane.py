"""The chosen job in tabs, above them what can be done with it. A tab is made when it is first chosen."""

from collections.abc import Callable, Sequence

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import Job
from mlops_desk.ui.jobs.detail.gpus import JobGpusView
from mlops_desk.ui.jobs.detail.group import GroupView
from mlops_desk.ui.jobs.detail.made_of import MadeOfView
from mlops_desk.ui.jobs.detail.output import OutputView
from mlops_desk.ui.jobs.detail.run import JobRunView
from mlops_desk.ui.jobs.detail.view import DetailView
from mlops_desk.ui.jobs.detail.why import WhyView
from mlops_desk.ui.jobs.table.rows import GroupRow
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.parts.acts_beside import ActsBeside
from mlops_desk.ui.parts.tab_views import TabViews
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.tabs import Tabs

TABS = (("why", "Why"), ("output", "Output"), ("gpus", "GPUs"), ("run", "Run"), ("spec", "Spec"))
_VIEWS: dict[str, Callable[[Context], DetailView]] = {
    "why": WhyView, "output": OutputView, "gpus": JobGpusView, "run": JobRunView, "spec": MadeOfView,
}  # fmt: skip


class JobPane(QWidget):
    """Shows one job at a time; only the tab that is seen is shown it."""

    def __init__(self, context: Context, acts: Sequence[Button]) -> None:
        super().__init__()
        self._context = context
        self._job: JobBrief | None = None
        self._whole: Job | None = None
        self.tabs = Tabs("What is shown of the job", TABS)
        self.group = GroupView(context)
        self._layers: TabViews[DetailView] = TabViews(self._made)
        self._head = ActsBeside(self.tabs, acts, first_grows=False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addLayout(self._head)
        column.addWidget(self._layers, 1)
        self._layers.addWidget(self.group)
        self.tabs.chosen.connect(self._choose)
        self.tabs.choose("why")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put what can be done below the tabs where both don't fit beside each other."""
        super().resizeEvent(event)
        self._fold()

    def _fold(self) -> None:
        self._head.fold(self.width() - self.tabs.sizeHint().width() - theme.SPACE_16)

    def _made(self, key: str) -> DetailView:
        view = _VIEWS[key](self._context)
        if isinstance(view, OutputView):
            view.run_chosen.connect(self.show_run)
        return view

    def view(self, key: str) -> DetailView:
        """Return a tab's view, made when it is first asked for."""
        return self._layers.view(key)

    def show_job(self, job: JobBrief | None, whole: Job | None) -> None:
        """Show a job in the tab that is seen."""
        self._job, self._whole = job, whole
        if self._layers.currentWidget() is self.group:
            self.tabs.show()
            self._layers.setCurrentWidget(self.view(self.tabs.current()))
        self._fold()
        if self.isVisible():
            self.view(self.tabs.current()).show_job(job, whole)

    def show_group(self, row: GroupRow) -> None:
        """Show a sweep or an array in the place of a job."""
        if self._layers.currentWidget() is not self.group:
            self._layers.leave(self.group)
            self.tabs.hide()
            self._layers.setCurrentWidget(self.group)
        self._fold()
        self.group.show_group(row)

    def explain(self) -> None:
        """Ask anew why the job waits."""
        self.view("why").left()
        self.show_job(self._job, self._whole)

    def show_run(self, run_id: str) -> None:
        """Show a run, whether or not it is the chosen job's own."""
        view = self.view("run")
        if isinstance(view, JobRunView):
            view.want(run_id)
        self.tabs.choose("run")

    def left(self) -> None:
        """Hear that nothing of it is seen."""
        self._layers.left()

    def _choose(self, key: str) -> None:
        self._layers.turn(key)
        self.show_job(self._job, self._whole)
