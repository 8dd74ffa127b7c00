"""Let jobs run on another engine: asked first, and refused while something runs on the one that is in use.

The desk looks for a job's container on the engine of the settings: on another one it would not be found there.
"""

from collections.abc import Callable, Sequence

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.engine import FoundEngine
from mlops_desk.records.jobs.job import LOCAL_RUNTIME, JobState
from mlops_desk.records.serving.endpoint import EndpointState
from mlops_desk.records.setting import SettingValue
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.settings.engines import words
from mlops_desk.ui.widgets.confirmation import ask
from mlops_desk.verbs.desk import ClientLike

SETTING = "engine.host"
_NAMED = 3  # chosen: enough to know whom to ask
_GONE = frozenset({EndpointState.STOPPED, EndpointState.FAILED})


def on_it(desk: ClientLike) -> list[str]:
    """Return what runs on the engine in use, in words."""
    jobs = [job for state in (JobState.STARTING, JobState.RUNNING) for job in desk.jobs.list(state=state)]
    here = [job for job in jobs if not job.attempts or job.attempts[-1].runtime == LOCAL_RUNTIME]
    endpoints = [one for one in desk.endpoints.list() if one.state not in _GONE]
    return [f"job {job.name} of {job.user}" for job in here] + [f"endpoint {one.name}" for one in endpoints]


def choose_engine(parent: QWidget, context: Context, engine: FoundEngine, then: Callable[[], None]) -> None:
    """Look what runs now, then ask; ``then`` is called when jobs go to the other engine."""
    context.ask("what runs on the engine", on_it, lambda found: _ask(parent, context, engine, found, then))


def _ask(
    parent: QWidget, context: Context, engine: FoundEngine, running: Sequence[str], then: Callable[[], None]
) -> None:
    name = f"{words.title(engine)} ({engine.address})"
    if running:
        named = ", ".join(plain(one, 60) for one in running[:_NAMED])
        more = f" and {len(running) - _NAMED:,} more" if len(running) > _NAMED else ""
        text = f"On the engine in use there is still {named}{more}: on another one nobody would see how it goes on."
        context.complain(DeskError(text, "Wait for it or stop it, then choose the engine."))
        return
    text = (
        f"From now on jobs that name no engine run on {name}, and so do images and endpoints. What waits in the queue "
        "starts there too: an image that it needs has to be there, or be pulled."
    )
    ask(parent, "Use another engine?", text, "Use this engine", lambda: _set(context, engine, then), harmful=False)


def _set(context: Context, engine: FoundEngine, then: Callable[[], None]) -> None:
    def done(_setting: SettingValue) -> None:
        context.say("info", f"Jobs run on {words.title(engine)} from now on.")
        then()

    context.ask("use engine", lambda desk: desk.settings.set(SETTING, engine.address), done)
