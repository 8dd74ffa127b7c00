"""The verbs about what jobs keep on the disk: copies of data, and what logs, code and data take together."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.jobs.provenance.submit_snapshot import Freezing
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.staging import ClearedCopies, JobDisk, StagedCopy, StagingCache, StagingForecast
from mlops_desk.jobs.staging.cache import StagingShelf
from mlops_desk.jobs.staging.disk import code_part, data_part, disk_of, logs_part
from mlops_desk.jobs.staging.forecast import Foretelling
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import Refused

_log = logging.getLogger(__name__)

_WAITING = frozenset({JobState.QUEUED, JobState.BLOCKED})


@dataclass(frozen=True, slots=True)
class KeptOnDisk:
    """Where things of jobs lie: their folders, their code, copies of their data; and what each may take."""

    jobs: Path
    sources: Path
    freezing: Freezing
    shelf: StagingShelf
    active: Callable[[], Sequence[Job]]
    foretelling: Foretelling

    def foretold(self, draft: Job) -> tuple[StagingForecast, ...]:
        """Tell how the data stand of a job that is not submitted."""
        return self.foretelling.of(draft.spec, draft.submitted_by, self.active())

    def tidy_snapshots(self) -> None:
        """Keep the snapshots within their budget; never those of jobs that are not over."""
        self.freezing.tidy(lambda: [job.capsule for job in self.active()])

    def mend_snapshots(self, fail: Callable[[Job, Reason], None]) -> None:
        """Look once whether all code is whole; a job that waits with code that is not never starts with it."""
        used = {job.id: job.capsule.source_sha256 for job in self.active() if job.capsule is not None}
        damaged = self.freezing.store.mend(lambda: [sha for sha in used.values() if sha is not None])
        if damaged:
            _log.warning("%d snapshots of code are not whole any more", len(damaged))
        for job in self.active():
            if used.get(job.id) in damaged and job.state in _WAITING:
                text = "The snapshot of the job's code is damaged: not all of its files are whole."
                fail(
                    job,
                    Reason(
                        "source_damaged",
                        text,
                        hint="Submit its job file again, with the code as it is now.",
                        title="Snapshot of its code damaged",
                    ),
                )

    def tidy_copies(self) -> None:
        """Keep the copies of data within their budget; those that jobs use stay."""
        self.shelf.tidy(self.active())


class DiskVerbs:
    """A part of the service of jobs."""

    _kept: KeptOnDisk

    def cache(self) -> StagingCache:
        return self._kept.shelf.show(self._kept.active())

    def copy(self, copy: str) -> StagedCopy:
        return self._kept.shelf.one(copy, self._kept.active())

    def remove_copy(self, copy: str) -> StagedCopy:
        found = self.copy(copy)
        if found.jobs:
            text = f"The copy {found.id} is used by {', '.join(found.jobs)}."
            raise Refused(text, "It can go when they are over, or cancelled.")
        self._kept.shelf.clear([copy], self._kept.active(), preview=False)
        return found

    def clear_cache(self, *, preview: bool = False) -> ClearedCopies:
        mine = [one.id for one in self.cache().copies if one.uid == current_caller().uid]
        return self._kept.shelf.clear(mine, self._kept.active(), preview=preview)

    def disk(self) -> JobDisk:
        kept, rules, active = self._kept, self._kept.shelf.rules(), self._kept.active()
        shares = rules.shares
        parts = (
            logs_part(kept.jobs, shares.logs),
            code_part(kept.sources, kept.freezing, active, shares.snapshots),
            data_part(kept.shelf, active),
        )
        return disk_of(parts, shares.whole, rules.reserve_bytes)
