"""What can be done with a whole sweep or array: the chosen one, or the one that the chosen job is of."""

from collections.abc import Callable, Iterable
from functools import partial

from PySide6.QtWidgets import QWidget

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.group import JobGroup
from mlops_desk.jobs.window.acts.act import ActButton, ActWords, JobAct
from mlops_desk.jobs.window.table.rows import HELD, GroupRow, QueueRow, job_of
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.offline import why_away
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.words import jobs as words
from mlops_desk.kit.window.words import numbers

_WORDS = {
    "cancel_group": ActWords(
        "Stop the whole group …", "Stop group …", "End all that is not over", "Del", "sweep array"
    ),
    "pause_group": ActWords("Pause the group", "Pause group", "Start no more; what runs goes on", "P", "sweep hold"),
    "go_on": ActWords("Let the group go on", "Go on", "Let what waits of it start", "G", "sweep array resume"),
}


class GroupActs:
    """``row`` tells what is chosen."""

    def __init__(self, page: QWidget, context: Context, row: Callable[[], QueueRow | None]) -> None:
        self._page = page
        self._context = context
        self._row = row
        self.acts = {act.id: act for act in self._made()}
        self._buttons = (
            ActButton(self.acts["jobs.cancel_group"], harmful=True),
            ActButton(self.acts["jobs.pause_group"]),
            ActButton(self.acts["jobs.go_on"]),
        )

    def _made(self) -> Iterable[JobAct]:
        does = {
            "cancel_group": (self._ask_to_stop, self._why_not_stop),
            "pause_group": (self._pause, self._why_not_pause),
            "go_on": (self._go_on, self._why_not_go_on),
        }
        for key, (do, why_not) in does.items():
            yield JobAct(f"jobs.{key}", _WORDS[key], do, partial(self._why_not, why_not))

    def buttons(self) -> tuple[ActButton, ...]:
        return self._buttons

    def refresh(self) -> None:
        """Show the buttons while a group's row is chosen."""
        for button in self._buttons:
            button.setVisible(isinstance(self._row(), GroupRow))
            button.refresh()

    def is_meant(self) -> bool:
        """Tell whether there is a group that is meant."""
        return bool(self._jobs())

    def _jobs(self) -> tuple[JobBrief, ...]:
        """Return the jobs of the group that is meant, as far as they are known."""
        row = self._row()
        if isinstance(row, GroupRow):
            return row.jobs
        job = job_of(row)
        if job is None or job.group is None:
            return ()
        return tuple(one for one in (self._context.store.jobs.value or {}).values() if one.group == job.group)

    # Why not.

    def _why_not(self, why_not: Callable[[], str]) -> str:
        return why_away(self._context.store) or why_not()

    def _why_not_stop(self) -> str:
        jobs = self._jobs()
        if not jobs:
            return "it is of no sweep and no array"
        return "all of its jobs are over" if all(job.state.is_final for job in jobs) else ""

    def _held(self) -> bool:
        return any(
            job.state in words.WAITING and job.reason is not None and job.reason.class_ in HELD for job in self._jobs()
        )

    def _why_not_pause(self) -> str:
        if not self._jobs():
            return self._why_not_stop()
        if not any(job.state in words.WAITING for job in self._jobs()):
            return "none of its jobs waits"
        return "it does not go on already" if self._held() else ""

    def _why_not_go_on(self) -> str:
        return self._why_not_stop() or ("" if self._held() else "it is not paused")

    # Doing.

    def _ask_to_stop(self) -> None:
        jobs = [job for job in self._jobs() if not job.state.is_final]
        running = sum(job.state in words.ON for job in jobs)
        lost = (
            f"{numbers.count(running, 'job')} of it {'runs' if running == 1 else 'run'}, and what "
            f"{'it has' if running == 1 else 'they have'} not saved is lost. "
            if running
            else ""
        )
        waiting = len(jobs) - running
        text = f"{lost}{numbers.count(waiting, 'job')} that {'waits' if waiting == 1 else 'wait'} won't start."
        first = jobs[0]
        ask(self._page, f"Stop all of {first.name}?", text, "Stop group", lambda: self._change("stop", first.id))

    def _pause(self) -> None:
        self._change("pause", self._jobs()[0].id)

    def _go_on(self) -> None:
        self._change("go on", self._jobs()[0].id)

    def _change(self, how: str, job_id: str) -> None:
        def said(found: JobGroup) -> None:
            self._context.say("info", f"{found.name}: {_SAID[how]}")

        self._context.ask(
            f"{how} group",
            lambda desk: {
                "stop": desk.jobs.cancel_group, "pause": desk.jobs.pause_group, "go on": desk.jobs.go_on,
            }[how](job_id),
            said,
        )  # fmt: skip


_SAID = {
    "stop": "all that was not over is stopped.",
    "pause": "no more of it is started.",
    "go on": "what waits of it starts again.",
}
