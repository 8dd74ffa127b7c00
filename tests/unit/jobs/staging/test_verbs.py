"""What jobs keep on the disk: shown, cleared by whose it is, and code that is not whole any more."""

from dataclasses import replace

import pytest

from mlops_desk.base.errors import NotFound, Refused
from mlops_desk.jobs.capsule.freezing import Freezing
from mlops_desk.jobs.capsule.source.taking import Snapshots
from mlops_desk.jobs.staging.verbs import DiskVerbs, KeptOnDisk
from mlops_desk.records.jobs.capsule import Capsule
from mlops_desk.records.jobs.job import JobState


@pytest.fixture
def verbs(cache):
    made = DiskVerbs()
    freezing = Freezing(Snapshots(cache.root / "sources"))
    made._kept = KeptOnDisk(cache.root / "jobs", cache.root / "sources", freezing, cache.shelf, cache.book.active)
    return made


def test_copies_are_shown_and_those_that_no_job_uses_are_cleared(cache, verbs):
    for name in ("used", "free"):
        cache.submit(name, cache.data(name, a=name))
        cache.stage(name)
    cache.run("free", JobState.SUCCEEDED)
    shown = {one.source.rpartition("/")[2]: one for one in verbs.cache().copies}
    assert (shown["used"].jobs, shown["free"].jobs, shown["free"].whole) == (("used",), (), True)
    preview = verbs.clear_cache(preview=True)
    assert ([one.id for one in preview.copies], [one.id for one in preview.kept]) == (
        [shown["free"].id], [shown["used"].id],
    )  # fmt: skip
    assert preview.freed_bytes == 4096
    with pytest.raises(Refused, match="is used by used"):
        verbs.remove_copy(shown["used"].id)
    assert verbs.clear_cache() == replace(preview, preview=False)
    assert [one.id for one in verbs.cache().copies] == [shown["used"].id]
    with pytest.raises(NotFound):
        verbs.copy("../../etc")
    parts = {part.name: (part.used_bytes, part.budget_bytes) for part in verbs.disk().parts}
    assert parts == {"logs": (0, 0), "code": (0, 0), "data": (4096, 1 << 30)}


def test_a_job_that_waits_with_damaged_code_never_starts_with_it(cache, verbs, monkeypatch):
    cache.submit("torn", capsule=Capsule(source_sha256="a" * 64))
    cache.submit("whole", capsule=Capsule(source_sha256="b" * 64))
    monkeypatch.setattr(verbs._kept.freezing.store, "mend", lambda _active: ["a" * 64])
    verbs._kept.mend_snapshots(cache.book.fail)
    assert cache.book.get("torn").reason.class_ == "source_damaged"
    assert (cache.book.get("torn").state, cache.book.get("whole").state) == (JobState.FAILED, JobState.QUEUED)
