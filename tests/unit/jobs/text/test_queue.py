"""The queue on the command line: who has the GPUs that a job waits for, and what a dry run warns of."""

from mlops_desk.jobs.records.queue_position import DryRun, Explanation, QueuePlace, WaitingFor
from mlops_desk.jobs.text import queue


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


def test_a_dry_run_says_that_there_are_more_places_only_where_there_are() -> None:
    def told(n: int) -> str:
        places = tuple(QueuePlace(f"job{number}", number + 1, None) for number in range(n))
        return queue.dry_run(DryRun(n, (), places=places))

    assert "position 20" in told(20)
    assert "more (" not in told(20)
    assert "and 1 more (--json has all)" in told(21)
