"""Jobs, as the frame sees them."""

from collections.abc import Iterator
from dataclasses import replace

from mlops_desk.jobs.records.brief import JobBrief, brief_of
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.window.loads import OLDER, ask_newest, ask_older
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.feature import Badge, Feature, OfferedAct, as_it_is, go, later
from mlops_desk.kit.window.live import announcements
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Loaded, Store, Topic
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.machine.records import event as events

_BUSY = {JobState.QUEUED, JobState.BLOCKED, JobState.STARTING, JobState.RUNNING}


def _mark(store: Store) -> Mark | None:
    busy = sum(job.state in _BUSY for job in (store.jobs.value or {}).values())
    return Mark("info", str(busy), numbers.count(busy, "job") + " waiting or running") if busy else None


def _keep_newest(store: Store, event: events.JobChanged) -> bool:
    """Keep what is news of a job; where it stands in the queue is not announced, and stays as it was told."""
    new = brief_of(event.job)
    old = (store.jobs.value or {}).get(new.id)
    if old is not None and new.position is None and old.state is new.state is JobState.QUEUED:
        new = replace(new, position=old.position, forecast_start=old.forecast_start, reason=new.reason or old.reason)
    return _put(store, new)


_put = announcements.put_first(lambda store: store.jobs, lambda brief: (brief.id, brief))


def _keep_older(store: Store, event: events.JobChanged) -> bool:
    """Keep what is news of an older job: a newer one is among the newest."""
    older = store.part(OLDER).value
    if not older or event.job.id not in older:
        return False
    older[event.job.id] = brief_of(event.job)
    return True


def _move_newest(store: Store, event: events.JobMoved) -> bool:
    return _move(store.jobs.value, event)


def _move_older(store: Store, event: events.JobMoved) -> bool:
    return _move(store.part(OLDER).value, event)


def _move(known: dict[str, JobBrief] | None, event: events.JobMoved) -> bool:
    """Keep how far a job is that is known and runs; what is heard of any other comes with its record."""
    old = (known or {}).get(event.job_id)
    if known is None or old is None or old.state is not JobState.RUNNING:
        return False
    known[event.job_id] = replace(old, progress=event.progress, stuck=event.stuck, live=event.live)
    return True


def _things(context: Context) -> Iterator[Action]:
    for job in (context.store.jobs.value or {}).values():
        yield go(context, "jobs", job.id, f"Job {job.name} ({job.state}, {job.id[:8]})")


FEATURE = Feature(
    later("mlops_desk.jobs.window.page", "JobsPage"),
    loads=(
        Loaded(
            Topic.JOBS,
            ask_newest,
            {events.JobChanged: _keep_newest, events.JobMoved: _move_newest},
            early=True,
        ),
        Loaded(OLDER, ask_older, {events.JobChanged: _keep_older, events.JobMoved: _move_older}),
    ),
    badge=Badge(frozenset({Topic.JOBS}), _mark),
    things=_things,
    sources=frozenset({"jobs"}),
    shows={"job": as_it_is},
    acts={"jobs.new": later("mlops_desk.jobs.window.form.submit_form", "open_with_image")},
    offers=(
        OfferedAct("jobs.submit", "New job …", "submit start run train create queue add"),
        OfferedAct("jobs.cancel", "Stop the chosen job …", "cancel kill end abort"),
        OfferedAct("jobs.resubmit", "Resubmit the chosen job …", "again retry"),
        OfferedAct("jobs.copy", "Copy the chosen job's YAML", "file spec"),
        OfferedAct("jobs.shell", "Shell in the chosen job", "terminal exec attach"),
        OfferedAct("jobs.explain", "Explain why the chosen job waits", "why queued waiting"),
        OfferedAct("jobs.priority", "Priority of the chosen job …", "urgent first"),
        OfferedAct("jobs.rerun", "Run the chosen job once more", "retry again restart"),
        OfferedAct("jobs.keep", "Keep the chosen job's file as a template", "save"),
        OfferedAct("jobs.export", "Export the chosen job …", "capsule save archive"),
        OfferedAct("jobs.cancel_group", "Stop the whole group …", "cancel sweep array"),
        OfferedAct("jobs.pause_group", "Pause the group", "sweep hold array"),
        OfferedAct("jobs.go_on", "Let the group go on", "sweep array resume continue"),
    ),
)
