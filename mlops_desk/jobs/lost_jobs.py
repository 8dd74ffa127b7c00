"""The verbs about jobs that have lost their records."""

from mlops_desk.jobs.records.brief import LostJob
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.run import lost_jobs
from mlops_desk.jobs.runtimes.table import Runtimes
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.records import StoredRecords


class LostJobVerbs:
    """A part of the service of jobs."""

    _folder: DataFolder
    _runtimes: Runtimes
    _table: StoredRecords[Job]

    def lost(self, job_id: str) -> LostJob:
        found, owner_uid = self._lost(job_id)
        return LostJob(plain(found), str(self._folder.jobs / found), owner_uid)

    def forget(self, job_id: str) -> LostJob:
        found, owner_uid = self._lost(job_id)
        for seen in (one for runtime in self._runtimes for one in runtime.survey() if one.job_id == found):
            text = f"Lost job {plain(found)} still has its container {plain(seen.handle)}."
            raise Refused(text, Hint("mlops-desk jobs list", before="It is taken up as a job again in a moment: "))
        return LostJob(plain(found), str(lost_jobs.put_aside(self._folder.jobs, found)), owner_uid, forgotten=True)

    def _lost(self, job_id: str) -> tuple[str, int | None]:
        """Return the id of the lost job that is meant, and whose results it left. Raises NotFound, Invalid."""
        found = lost_jobs.find(lost_jobs.without_record(self._folder.jobs, self._table.keys()), job_id)
        return found, lost_jobs.owner(self._folder.jobs / found)
