"""What each tab of the chosen job is: it is shown a job while it is seen, and costs nothing while it is not."""

from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import Job
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.parts.tab_views import TabView


class DetailView(TabView):
    """One tab. Made when it is first chosen."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context

    def show_job(self, job: JobBrief | None, whole: Job | None) -> None:
        """Show a job (None: there is none to show); ``whole`` is None as long as the agent has not told all of it."""
        raise NotImplementedError
