"""The queue's decisions, whatever stands in it."""

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.jobs.queue.old import Wanted, decide
from mlops_desk.runtimes.runtime import Outlook

queues = st.lists(st.integers(0, 6), max_size=12).map(
    lambda counts: [Wanted(str(number), count) for number, count in enumerate(counts)]
)


def machine(total, free):
    def outlook(count, memory_bytes):
        return Outlook(count <= free, f"{free} free", never=count > total)

    return outlook


@given(queues, st.integers(0, 4), st.integers(0, 4), st.integers(-1, 3), st.booleans())
def test_every_job_is_decided_about_and_none_jumps_the_queue(queue, total, free, slots, starting):
    free = min(free, total)
    decision = decide(queue, machine(total, free), slots, gpu_job_starting=starting)
    decided = [*decision.start, *decision.waiting, *decision.blocked]
    assert sorted(decided) == sorted(wanted.job_id for wanted in queue)
    assert set(decision.blocked) == {wanted.job_id for wanted in queue if wanted.gpus > total}
    possible = [wanted for wanted in queue if 0 < wanted.gpus <= total]
    started = [wanted for wanted in possible if wanted.job_id in decision.start]
    assert started == ([] if starting or not possible or possible[0].gpus > free else possible[:1])
    without = [wanted.job_id for wanted in queue if wanted.gpus == 0]
    assert [job_id for job_id in decision.start if job_id in without] == without[: max(0, slots)]


@given(queues)
def test_while_the_driver_is_unknown_gpu_jobs_wait_and_none_is_blocked(queue):
    decision = decide(queue, lambda count, memory: Outlook(free=False, text="?"), 100, gpu_job_starting=False)
    assert decision.blocked == {}
    assert set(decision.waiting) == {wanted.job_id for wanted in queue if wanted.gpus}
    assert all(reason.text for reason in decision.waiting.values())
