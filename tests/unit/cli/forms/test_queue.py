"""The queue on the command line: who has the GPUs that a job waits for, and what a dry run warns of."""

from mlops_desk.cli.forms import queue
from mlops_desk.records.jobs.place import DryRun, Explanation, QueuePlace, WaitingFor


def test_of_who_has_a_gpu_it_is_told_until_when_and_from_when_it_gives_way() -> None:
    held = (WaitingFor("GPU-a", "nightly", "bo", 0.0, 1e9, gives_way_at=9e8), WaitingFor("GPU-b", "other", None))
    told = queue.explanation(Explanation("ab12", "queued", "Needs 1 GPU.", QueuePlace("ab12", 1, None, held)))
    first, second = next(line for line in told.splitlines() if line.startswith("waits for")).split("; ")
    assert first.startswith("waits for  GPU-a (nightly of bo until 2001-09-")
    assert ", gives way from 1998-07-" in first
    assert second == "GPU-b (other)"


def test_a_dry_run_says_all_that_it_warns_of() -> None:
    told = queue.dry_run(DryRun(1, (), warnings=("one thing", "an\x1bother")))
    assert "one thing; an" in told
    assert "\x1b" not in told
