"""Causes: memory of the machine, of the GPU and of the container."""

from mlops_desk.jobs.failure_causes.cause import EndCause, Weight, faint, found, said
from mlops_desk.jobs.records.failure_facts import EndFacts, KernelKill
from mlops_desk.kit.base.text import plain, size_text

_SIGKILL = 137  # 128 + 9, as shells tell a signal


_SAME_END_SECONDS = 60.0
"""Chosen: a command whose worker is killed notices it at its next batch, and may write something before it ends."""
_UNNAMED_SECONDS = 5.0  # chosen: of a kill of nobody knows whom only the moment says that it was this job's
_HARDLY_ANY = 0.05  # chosen: the kernel kills at about a hundredth of the memory; samples are seconds apart
_AT_LIMIT = 0.95  # chosen: who was this near its limit may as well have reached it since it was seen last


def _kernel_kill(facts: EndFacts) -> str | None:
    own = next((kill for kill in _near(facts) if kill.is_own and kill.limited), None)
    if not facts.oom_killed and own is None:
        return None
    evidence = f"The engine reports an out-of-memory kill (OOMKilled: true); exit code {facts.exit_code}."
    if not facts.oom_killed and own is not None:
        evidence = f"{_killed(own)} for its container's limit; exit code {facts.exit_code}."
    if facts.exit_code != _SIGKILL:
        evidence += " It was one of the job's processes that was killed, and the command ended by itself then."
    if facts.memory_limit_bytes is not None:
        evidence += f" It may use {size_text(facts.memory_limit_bytes)}."
    # What was seen last may be seconds old, and says nothing of the moment in which the limit was reached.
    return evidence + (_peak(facts) if _may_have_reached_limit(facts) else "")


def _machine_kill(facts: EndFacts) -> str | None:
    """Return what shows that the machine's memory was at an end, and not what the job may use of it."""
    own = next((kill for kill in _near(facts) if kill.is_own and not kill.limited), None)
    if own is not None:
        return f"{_killed(own)}, for the machine had no memory left.{_available(facts)}{_peak(facts)}"
    unnamed = next((kill for kill in facts.host.kills if _is_unnamed(kill)), None)
    if unnamed is None or not (facts.oom_killed or facts.exit_code == _SIGKILL):
        return None
    left, total = facts.host.available_bytes, facts.host.total_bytes
    if left is None or total is None or left > total * _HARDLY_ANY or _may_have_reached_limit(facts):
        return None
    return f"The kernel killed a process when the job ended with {facts.exit_code}.{_available(facts)}{_peak(facts)}"


def _near(facts: EndFacts) -> list[KernelKill]:
    return [kill for kill in facts.host.kills if kill.before_end_seconds <= _SAME_END_SECONDS]


def _is_unnamed(kill: KernelKill) -> bool:
    return kill.is_own is None and kill.before_end_seconds <= _UNNAMED_SECONDS


def _may_have_reached_limit(facts: EndFacts) -> bool:
    """Tell whether the job's own limit may have been the reason: also where nobody saw how much it took."""
    limit, peak = facts.memory_limit_bytes, facts.memory_peak_bytes
    return limit is not None and (peak is None or peak >= limit * _AT_LIMIT)


def _killed(kill: KernelKill) -> str:
    who = "one of the job's processes" if kill.process is None else f"{plain(kill.process)} of the job"
    return f"The kernel's log has that it killed {who} {kill.before_end_seconds:.0f} s before the end"


def _available(facts: EndFacts) -> str:
    left, total = facts.host.available_bytes, facts.host.total_bytes
    return "" if left is None or total is None else f" {size_text(left)} of {size_text(total)} were left to all."


def _peak(facts: EndFacts) -> str:
    peak, limit = facts.memory_peak_bytes, facts.memory_limit_bytes
    if peak is None:
        return ""
    return f" The job's peak: {size_text(peak)}{'' if limit is None else f' of {size_text(limit)}'}."


MEMORY = (
    EndCause(
        "oom_machine",
        "The machine ran out of memory",
        Weight.ROOT,
        "The machine had no memory left, and the kernel killed the job for it.",
        "It was not the job's own limit: see who took the memory (the Host page at that time), and give jobs limits"
        " with resources: {memory: ...}, so that together they fit.",
        judge=_machine_kill,
    ),
    EndCause(
        "oom_kernel",
        "The job ran out of memory",
        Weight.ROOT,
        "The job used more memory than it may, and the kernel killed it.",
        "Give it more with resources: {memory: ...}, or use smaller batches or fewer loader workers.",
        found("killed process", r"out of memory: killed process|memory cgroup out of memory")
        + said("oom-kill:constraint", "invoked oom-killer"),
        judge=_kernel_kill,
    ),
    EndCause(
        "oom_cuda",
        "GPU memory ran out",
        Weight.ROOT,
        "The GPU's memory was not enough.",
        "Use a smaller batch or model, or ask for a larger GPU with resources: {gpu_memory: ...}.",
        said(
            "CUDA out of memory", "CUDA_ERROR_OUT_OF_MEMORY", "cudaErrorMemoryAllocation", "HIP out of memory",
            "torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError", "CUBLAS_STATUS_ALLOC_FAILED",
            "CUDNN_STATUS_ALLOC_FAILED", "RESOURCE_EXHAUSTED: Out of memory", "CUDA error: out of memory",
            "OOM when allocating tensor", "CUDA failed with error out of memory", "CUDA driver error: out of memory",
        )
        + found("cudamalloc", r"cudaMalloc failed: out of memory")
        + found("no available memory for the cache blocks", r"no available memory for the cache blocks")
        + found("free memory on device", r"free memory on device .* is less than desired GPU memory utilization")
        + found("resource_exhausted", r"RESOURCE_EXHAUSTED.*(?:allocat|memory)"),
    ),
    EndCause(
        "shm_too_small",
        "Shared memory too small",
        Weight.ROOT,
        "The container's shared memory is too small.",
        "Give it more with resources: {shm: 16GiB}, or use fewer loader workers.",
        said(
            "insufficient shared memory", "unable to open shared memory object", "torch_shm_manager",
            "Error while creating shared memory segment",
        )
        + found("/shm", r"/shm/\S*.*(?:no space left|not enough|too small)|no space left.*/shm/")
        + said("out of shared memory", "increase shm", "increase the shm", "shared memory limit"),
    ),
    EndCause(
        "oom_host",
        "The program got no more memory",
        Weight.SPECIFIC,
        "The program could get no more memory from the machine.",
        "Give it more with resources: {memory: ...}, or load less at once.",
        found("memoryerror", r"\bMemoryError\b")
        + said("std::bad_alloc", "can't allocate memory: you tried to allocate", "ArrayMemoryError",
               "java.lang.OutOfMemoryError", "ArrowMemoryError")
        + found("unable to allocate", r"unable to allocate [\d.]+ [KMGT]i?B")
        + found("cannot allocate memory", r"Error.*cannot allocate memory")
        + found("heap out of memory", r"heap out of memory")
        + faint("cannot allocate memory"),
    ),
)  # fmt: skip
