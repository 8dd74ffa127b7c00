"""Taking jobs in: what they wait for is found, arrays and sweeps become jobs, and all of them are queued or none."""

import difflib
import itertools
import logging
import math
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from mlops_desk.jobs.file.fields import MOST_WAITED_FOR
from mlops_desk.jobs.provenance.rerun_basis import Basis
from mlops_desk.jobs.provenance.submit_snapshot import Freezing, with_spec
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.parameter_substitution import INDEX
from mlops_desk.jobs.records.provenance import Capsule
from mlops_desk.jobs.records.spec import JobSpec, Sweep, ValueSpan
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.runtimes.runtime import Runtime
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound
from mlops_desk.kit.base.text import plain

# The jobs that one job file makes: those of an array, the points of a sweep, or itself. Pure.
# What is drawn depends on the sweep's seed and the parameter's name alone: more samples, or another parameter beside
# it, leave the points that there were as they were.
INDEX_VARIABLE = "MLD_ARRAY_INDEX"


def is_several(spec: JobSpec) -> bool:
    """Tell whether ``spec`` makes a group of jobs."""
    return spec.array is not None or (spec.sweep is not None and bool(spec.sweep.grid or spec.sweep.spans))


def members(spec: JobSpec) -> tuple[JobSpec, ...]:
    """Return what each of the jobs is asked to be, in order; of one that is no array or sweep, itself.

    A point's parameters stand in ``params``, over those of the file, with its place as ``index`` and in the variable
    MLD_ARRAY_INDEX. Of the sweep it keeps what decides about its end: the metric, the goal, the early stop.
    """
    if not is_several(spec):
        return (spec,)
    points = _points(spec.sweep) if spec.sweep is not None else iter([{}] * (spec.array or 0))
    sweep = None if spec.sweep is None else replace(spec.sweep, grid={}, spans={}, samples=0)
    return tuple(
        replace(
            spec,
            array=None,
            sweep=sweep,
            params={**spec.params, **point, INDEX: str(index)},
            env={INDEX_VARIABLE: str(index), **spec.env},
        )
        for index, point in enumerate(points)
    )


def _points(sweep: Sweep) -> Iterator[Mapping[str, str]]:
    if not sweep.samples:
        for values in itertools.product(*sweep.grid.values()):
            yield dict(zip(sweep.grid, values, strict=True))
        return
    # Only random() itself draws the same on every version of Python.
    streams = {name: random.Random(f"{sweep.seed}:{name}") for name in (*sweep.grid, *sweep.spans)}  # noqa: S311 - no secret
    for _ in range(sweep.samples):
        listed = {name: values[int(streams[name].random() * len(values))] for name, values in sweep.grid.items()}
        drawn = {name: _drawn(span, streams[name].random()) for name, span in sweep.spans.items()}
        yield {**listed, **drawn}


def _drawn(span: ValueSpan, chance: float) -> str:
    """Return the number that ``chance`` (from 0 to below 1) picks, as people write it."""
    high = span.high + 1 if span.whole else span.high  # each whole number has as much room as the next
    if span.log:
        number = math.exp(math.log(span.low) + chance * (math.log(high) - math.log(span.low)))
    else:
        number = span.low + chance * (high - span.low)
    if span.whole:
        return str(min(max(math.floor(number), int(span.low)), int(span.high)))
    return f"{min(max(number, span.low), span.high):.6g}"


_log = logging.getLogger(__name__)

_NEAR_LOOKED_AT = 500  # chosen: the jobs that people still have in mind
_MOST_WAITS = 20_000
"""Chosen: jobs of one file times what each waits for; all of it is written down with each of them."""


class Intake:
    """``freezing`` keeps their code as it is now; ``wake`` makes who looks after a job look at it now.

    ``admit`` raises Refused where a user (uid) has too many jobs in the queue to add so many more.
    """

    def __init__(
        self, book: JobBook, freezing: Freezing, wake: Callable[[Job], None], admit: Callable[[int, int], None]
    ) -> None:
        self._book = book
        self._freezing = freezing
        self._wake = wake
        self._admit = admit

    def queue(
        self,
        spec: JobSpec,
        uid: int,
        runtime: Runtime,
        again: Basis | None = None,
        origin: str | None = None,
        job_id: str | None = None,
    ) -> Sequence[Job]:
        """Queue what ``spec`` asks for, in the order of its points, or ``again`` what another job was.

        Raises Invalid, NotFound, and what runtimes and snapshots raise.
        The group of an array or a sweep has the id of its first job, which is ``job_id`` where that was chosen before.
        """
        accepted = runtime.accept(self.with_ids(spec), uid)
        self._admit(uid, len(members(accepted)))
        with self._freezing.frozen(accepted, uid, None if again is None else again.first) as capsule:
            added = self._book.add_all(self._made(accepted, uid, runtime, capsule, again, origin, job_id))
        self._wake(added[0])
        return added

    def drafts(self, spec: JobSpec, uid: int, runtime: Runtime) -> Sequence[Job]:
        """Return the jobs that would be queued for ``spec``; nothing is frozen. Raises what refuses them."""
        accepted = runtime.accept(self.with_ids(spec), uid)
        return self._made(accepted, uid, runtime, Capsule(), None, None)

    def _made(
        self,
        accepted: JobSpec,
        uid: int,
        runtime: Runtime,
        capsule: Capsule,
        again: Basis | None,
        origin: str | None,
        job_id: str | None = None,
    ) -> list[Job]:
        pinned = None if again is None else again.image_id
        if pinned is None and accepted.build is None:  # what is to be built may not be what is called so now
            pinned = _local_image(runtime, accepted.image, uid)
        made = members(accepted)
        ids = [job_id or secrets.token_hex(6), *(secrets.token_hex(6) for _ in made[1:])]
        several = is_several(accepted)
        return [
            Job(
                id=job_id,
                name=one.name,
                state=JobState.QUEUED,
                spec=one,
                submitted_at=time.time(),
                submitted_by=uid,
                user=user_name(uid),
                image_id=pinned,
                origin=origin,
                runtime=runtime.name,
                priority=one.priority,
                group=ids[0] if several else None,
                group_index=index if several else None,
                not_before=one.begin_at,
                capsule=with_spec(capsule, one),
                repeat=None if again is None else again.repeat,
                imported=None if again is None else again.imported,
                inputs=() if again is None else again.inputs,
                chain=0 if again is None else again.chain,
            )
            for index, (job_id, one) in enumerate(zip(ids, made, strict=True))
        ]

    def with_ids(self, spec: JobSpec) -> JobSpec:
        """Return ``spec`` with the ids of the jobs that it waits for. Raises NotFound, and Invalid."""
        after = self._ids("after", spec.after)
        after_success = self._ids("afterSuccess", spec.after_success)
        count, waits = len(members(spec)), len(after) + len(after_success)
        if max(len(after), len(after_success)) > MOST_WAITED_FOR or count * waits > _MOST_WAITS:
            text = f"{count} job{'' if count == 1 else 's'} would wait for {waits} others each."
            raise Invalid(text, "Let them wait for one job that comes after the others.")
        return replace(spec, after=after, after_success=after_success)

    def _ids(self, field: str, given: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(job_id for name in given for job_id in self._meant(field, name)))

    def _meant(self, field: str, name: str) -> list[str]:
        """Return the ids of what a name, an id or the beginning of one means: all of a group by its name or its id."""
        job = self._named(field, name)
        if job.group is None or (job.name != name and job.id != job.group):
            return [job.id]
        return [one.id for one in self._book.group(job.group)]

    def _named(self, field: str, name: str) -> Job:
        try:
            found = self._book.find(name)
        except NotFound as error:
            named = self._book.newest_named(name)
            if named is None:
                raise self._unknown(field, name) from error
            return named
        except Invalid:
            named = self._book.newest_named(name)
            if named is None:
                raise
            return named
        # An id is meant for certain only if it is whole: what begins so may be a name as well.
        return found if found.id == name else self._book.newest_named(name) or found

    def _unknown(self, field: str, name: str) -> NotFound:
        known = dict.fromkeys(job.name for job in self._book.newest(limit=_NEAR_LOOKED_AT))
        near = difflib.get_close_matches(name, known, n=1)
        meant = f"Did you mean {plain(near[0])}? " if near else ""
        text = f"{field}: there is no job called {plain(name)!r}, and none whose id begins so."
        return NotFound(text, Hint("mlops-desk jobs list", before=meant, after=" shows them all."))


def _local_image(runtime: Runtime, reference: str, uid: int) -> str | None:
    """Return what a job is pinned to; None when its image is to be found or pulled before the start."""
    try:
        return runtime.image(reference, uid)
    except DeskError as error:
        _log.info("The image %s is not pinned yet: %s", plain(reference), error.message)
        return None
