"""Causes: memory of the machine, of the GPU and of the container."""

from mlops_desk.base.text import size_text
from mlops_desk.jobs.causes.cause import EndCause, Weight, faint, found, said
from mlops_desk.jobs.causes.facts import EndFacts

_SIGKILL = 137  # 128 + 9, as shells tell a signal


def _kernel_kill(facts: EndFacts) -> str | None:
    if not facts.oom_killed:
        return None
    evidence = f"The engine reports an out-of-memory kill (OOMKilled: true); exit code {facts.exit_code}."
    if facts.exit_code != _SIGKILL:
        evidence += " It was one of the job's processes that was killed, and the command ended by itself then."
    if facts.memory_limit_bytes is not None:
        evidence += f" It may use {size_text(facts.memory_limit_bytes)}."
    return evidence


MEMORY = (
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
