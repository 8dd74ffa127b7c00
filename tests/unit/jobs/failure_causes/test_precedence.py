"""What failed first is told, not what it took down; and nothing is told that did no harm."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.failure_causes.judge import EVIDENCE_LIMIT, why
from mlops_desk.jobs.failure_causes.table import CAUSES
from mlops_desk.jobs.records.failure_facts import EndFacts
from mlops_desk.kit.base.text import plain

STEPS = [f"step {number}/500 loss 0.3" for number in range(5)]
CUDA_OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
NCCL_TIMEOUT = "[rank0]:[E ProcessGroupNCCL.cpp:607] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL"
CHILD_FAILED = "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:"


def traceback(last: str, file: str = "train.py") -> list[str]:
    return ["Traceback (most recent call last):", f'  File "{file}", line 3, in <module>', "    f()", last]


def class_of(*log: str, code: int = 1, **facts: object) -> str:
    return why(EndFacts(code, log, **facts)).class_


@pytest.mark.parametrize(
    ("class_", "log"),
    [
        ("oom_cuda", [NCCL_TIMEOUT, *traceback(CUDA_OOM), CHILD_FAILED]),
        ("oom_cuda", [*traceback(CUDA_OOM), NCCL_TIMEOUT, CHILD_FAILED]),
        ("exit_nonzero", [NCCL_TIMEOUT, *traceback("KeyError: 'lr'"), CHILD_FAILED]),
        ("module_missing", [*traceback("ModuleNotFoundError: No module named 'x'"), *traceback(CHILD_FAILED)]),
        ("disk_full", [*traceback("OSError: [Errno 28] No space left on device"), *traceback("KeyError: 'state'")]),
        ("shm_too_small", [("RuntimeError: DataLoader worker (pid 1) is killed by signal: Bus error. It is possible that"
                           " dataloader's workers are out of shared memory."), "Bus error"]),
        ("driver_mismatch", ["UserWarning: The NVIDIA driver on your system is too old", ("RuntimeError: No CUDA GPUs are"
                             " available")]),
        ("nccl_timeout", [NCCL_TIMEOUT, "terminate called after throwing an instance of 'c10::DistBackendError'"]),
        ("oom_cuda", [f"[rank3]: {line}" for line in traceback(CUDA_OOM)]),
        ("exit_nonzero", ["cat: /etc/none: No such file or directory", *traceback("KeyError: 'lr'")]),
        ("nccl_timeout", ["Connection refused, trying again", NCCL_TIMEOUT]),
    ],
)  # fmt: skip
def test_a_root_beats_its_consequences(class_, log):
    assert class_of(*log) == class_


def test_the_kernel_killing_a_loader_worker_beats_what_the_loader_says():
    log = traceback("RuntimeError: DataLoader worker (pid(s) 88) exited unexpectedly")
    assert class_of(*log) == "loader_worker_killed"
    assert class_of(*log, oom_killed=True) == "oom_kernel"


def test_the_first_of_two_tracebacks_is_told():
    log = [*traceback("KeyError: 'lr'", "a.py"), "During handling of the above exception, another exception occurred:",
           *traceback("ValueError: bad config", "b.py")]  # fmt: skip
    assert why(EndFacts(1, log)).evidence == "KeyError: 'lr' (a.py, line 3)"


def test_what_a_program_survived_is_not_why_it_ended():
    handled = [*traceback(CUDA_OOM), "trying again with half the batch", *STEPS]
    assert class_of(*handled, *traceback("KeyError: 'lr'")) == "exit_nonzero"
    assert class_of(*handled, *traceback("ZeroDivisionError: division by zero")) == "division_by_zero"
    assert class_of(*handled, *traceback(CUDA_OOM)) == "oom_cuda"
    assert class_of(*handled, code=137) == "killed"


def test_other_ranks_may_log_a_step_or_two_before_they_miss_the_one_that_failed():
    assert class_of(*traceback(CUDA_OOM), *STEPS[:2], NCCL_TIMEOUT) == "oom_cuda"


def test_a_warning_is_not_why():
    assert class_of("WARNING: PermissionError: [Errno 13] Permission denied: '/x'", *traceback("KeyError: 1")) != (
        "permission_denied"
    )


@pytest.mark.parametrize("log", [(), ("step 3",), ("Killed",), ("python train.py", "", "   ")])
def test_a_kill_alone_is_never_called_out_of_memory(log):
    reason = why(EndFacts(137, log))
    assert reason.class_ == "killed"
    assert "out of memory" not in f"{reason.text}{reason.evidence}".lower()


def test_what_nothing_explains_is_told_with_its_last_line():
    reason = why(EndFacts(3, ("starting", "bye", " ")))
    assert (reason.class_, reason.text) == ("exit_nonzero", "The command ended with exit code 3.")
    assert reason.evidence == "Its last line: bye"
    assert why(EndFacts(3)).evidence is None


def test_only_the_end_of_a_log_is_read():
    old = traceback("ZeroDivisionError: division by zero")
    assert class_of(*old, *["tick"] * 1990) == "division_by_zero"
    assert class_of(*old, *["tick"] * 2000) == "exit_nonzero"
    assert class_of(*old, *["x" * 4000] * 64) == "division_by_zero"
    assert class_of(*old, *["x" * 4000] * 66) == "exit_nonzero"


def test_a_line_of_code_in_a_traceback_is_no_sign():
    log = traceback("KeyError: 'lr'")
    log[2] = '    raise RuntimeError("CUDA out of memory")'
    assert class_of(*log) == "exit_nonzero"


LINES = st.lists(
    st.one_of(
        st.text(max_size=80),
        st.sampled_from([sign.key for cause in CAUSES for sign in cause.signs]),
        st.sampled_from([CUDA_OOM, NCCL_TIMEOUT, *STEPS, *traceback("ValueError: x"), "[rank1]: ", "(pid=1) "]),
    ),
    max_size=30,
)


@given(LINES, st.integers(1, 255), st.booleans())
@example(["{path}", "FileNotFoundError: [Errno 2] No such file: '{where}'"], 1, False)
@example(["FileNotFoundError: [Errno 2] No such file: '/a\N{RIGHT-TO-LEFT OVERRIDE}b'"], 1, False)
@example(["\x1b[31mKeyError: 'x'\x1b[0m", "Traceback (most recent call last):"], 1, False)
@example(["error: \N{RIGHT-TO-LEFT OVERRIDE}no space left on device" + "x" * 9000], 1, False)
def test_whatever_a_log_holds_there_is_a_reason_that_is_safe_to_show(lines, code, oom_killed):
    reason = why(EndFacts(code, lines, oom_killed=oom_killed))
    assert reason.class_ == "oom_kernel" or not oom_killed
    for text in (reason.text, reason.evidence or "", reason.hint or ""):
        assert plain(text, 2000) == text
        assert len(text) <= EVIDENCE_LIMIT + 300


@given(st.lists(st.sampled_from([*STEPS, "saved checkpoint", "", "val acc 0.93"]), max_size=40), st.integers(1, 100))
def test_a_healthy_log_gives_no_cause(lines, code):
    assert class_of(*lines, code=code) == "exit_nonzero"
