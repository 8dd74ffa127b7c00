"""What telemetry saw of memory and clocks decides whose memory ran out, and is quoted."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.failure_causes.judge import why, words_for
from mlops_desk.jobs.records.failure_facts import EndFacts, GpuFacts, HostFacts, KernelKill, Throttled

GIB = 1 << 30
OWN = KernelKill(3.0, "python", is_own=True)
LIMITED = KernelKill(3.0, "python", is_own=True, limited=True)
UNNAMED = KernelKill(1.0)
TIGHT = {"available_bytes": GIB // 2, "total_bytes": 256 * GIB}


def ended(code: int = 137, *kills: KernelKill, oom: bool = False, peak: int | None = None, limit: int | None = None,
          available: int | None = TIGHT["available_bytes"]) -> EndFacts:  # fmt: skip
    host = HostFacts(kills, available, None if available is None else TIGHT["total_bytes"])
    return EndFacts(code, ("epoch 3",), oom, limit, peak, host=host)


def test_a_job_that_was_killed_for_the_machine_is_not_told_to_take_more() -> None:
    reason = why(ended(137, OWN, oom=True, peak=40 * GIB, limit=64 * GIB))
    assert reason.class_ == "oom_machine"
    assert "python of the job 3 s before the end" in reason.evidence
    assert "512 MiB of 256.0 GiB were left to all." in reason.evidence
    assert "peak: 40.0 GiB of 64.0 GiB" in reason.evidence
    assert "not the job's own limit" in reason.hint


@pytest.mark.parametrize("kill", [(), (LIMITED,)])
def test_a_peak_far_below_the_limit_was_seen_before_the_kill_and_is_no_evidence_of_it(kill) -> None:
    reason = why(ended(137, *kill, oom=not kill, peak=4 << 20, limit=64 << 20))
    assert reason.class_ == "oom_kernel"
    assert "It may use 64 MiB." in reason.evidence
    assert "4 MiB of" not in reason.evidence


def test_a_job_that_reached_its_limit_is_told_how_near_it_came() -> None:
    reason = why(ended(137, LIMITED, oom=True, peak=int(63.9 * GIB), limit=64 * GIB))
    assert reason.class_ == "oom_kernel"
    assert "OOMKilled: true" in reason.evidence
    assert reason.evidence.endswith("The job's peak: 63.9 GiB of 64.0 GiB.")


def test_the_kernels_log_is_believed_where_the_engine_did_not_hear_of_it() -> None:
    reason = why(ended(1, LIMITED, limit=64 * GIB))
    assert reason.class_ == "oom_kernel"
    assert "OOMKilled" not in reason.evidence
    assert "for its container's limit; exit code 1" in reason.evidence
    assert "one of the job's processes that was killed" in reason.evidence


@pytest.mark.parametrize(
    ("facts", "class_"),
    [
        (ended(137, UNNAMED, peak=10 * GIB, limit=64 * GIB), "oom_machine"),
        (ended(137, UNNAMED, peak=10 * GIB), "oom_machine"),
        (ended(137, UNNAMED, peak=10 * GIB, limit=64 * GIB, oom=True), "oom_machine"),
        # Each time one thing is missing that says that it was the machine's memory, and this job.
        (ended(1, UNNAMED, peak=10 * GIB, limit=64 * GIB), "exit_nonzero"),
        (ended(137, KernelKill(6.0), peak=10 * GIB, limit=64 * GIB), "killed"),
        (ended(137, UNNAMED, peak=61 * GIB, limit=64 * GIB), "killed"),
        (ended(137, UNNAMED, limit=64 * GIB), "killed"),
        (ended(137, UNNAMED, peak=10 * GIB, limit=64 * GIB, available=13 * GIB), "killed"),
        (ended(137, UNNAMED, peak=10 * GIB, limit=64 * GIB, available=None), "killed"),
        (ended(137, peak=10 * GIB, limit=64 * GIB), "killed"),
        (ended(137, KernelKill(61.0, "python", is_own=True)), "killed"),
        (ended(137, UNNAMED, peak=63 * GIB, limit=64 * GIB, oom=True), "oom_kernel"),
    ],
)
def test_a_kill_of_nobody_knows_whom_is_laid_at_the_machine_only_where_all_speaks_for_it(facts, class_) -> None:
    assert why(facts).class_ == class_


def test_job_files_that_name_the_kernels_kill_mean_the_machines_as_well() -> None:
    assert words_for("oom_machine") == ("oom_machine", "oom_kernel", "exit_nonzero")


SLOW = GpuFacts(throttled=(Throttled("GPU-1", 340.0, 600.0), Throttled("GPU-2", 5.0, 600.0)))


def test_gpus_that_were_slowed_down_stand_beside_what_they_explain() -> None:
    log = ("[Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9, Timeout(ms)=600000)",)
    reason = why(EndFacts(1, log, gpus=SLOW))
    assert reason.class_ == "nccl_timeout"
    assert reason.evidence.startswith(log[0])
    assert reason.evidence.endswith("held clocks down: GPU-1 for 5.67 min of 10 min.")
    assert "clocks" not in why(EndFacts(1, ("MemoryError",), gpus=SLOW)).evidence
    brief = GpuFacts(throttled=(Throttled("GPU-2", 59.0, 600.0),))
    assert "clocks" not in why(EndFacts(1, log, gpus=brief)).evidence


@pytest.mark.slow
@given(
    kills=st.lists(st.builds(KernelKill, st.floats(0, 1e6), st.none() | st.text(max_size=300), st.sampled_from([None, True]),
                             st.booleans())),
    peak=st.none() | st.integers(0, 1 << 50), limit=st.none() | st.integers(1, 1 << 50), code=st.integers(1, 255),
)  # fmt: skip
@example(kills=[KernelKill(0.0, "\x1b[31m" * 99, is_own=True)], peak=None, limit=None, code=1)
def test_whatever_was_seen_there_is_a_reason_that_is_safe_to_show(kills, peak, limit, code) -> None:
    reason = why(ended(code, *kills, peak=peak, limit=limit))
    assert reason.evidence is None or (reason.evidence.isprintable() and len(reason.evidence) < 1500)
