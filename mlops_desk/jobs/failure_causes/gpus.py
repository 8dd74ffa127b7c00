"""Causes: the GPU itself, its driver, and what the program did with it."""

from collections.abc import Callable

from mlops_desk.jobs.failure_causes.cause import EndCause, Weight, found, said
from mlops_desk.jobs.records.failure_facts import EndFacts
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import duration_text, plain
from mlops_desk.machine.records.xid import Blame, Xid, explain_xid

_BUS = 79  # the driver's number for a GPU that can't be reached any more
_MEMORY = frozenset({48, 64, 94, 95})  # what the driver calls uncorrectable; corrected errors end no program
_AFTER_OTHERS = 45  # follows every program that is killed, and says nothing by itself
_SAME_END_SECONDS = 300.0
"""Chosen: a program notices a GPU that is gone at its next call, or when a collective times out minutes later."""
_MUCH = 0.1  # chosen: a tenth of the time is no spike, and makes the others of a gang wait
_EVENTS = Hint("mlops-desk events list", before="See what the driver said of it: ", after=".")


def _told(facts: EndFacts, fits: Callable[[Xid], bool]) -> str | None:
    """Return what the driver said shortly before the end, where it fits."""
    for seen in facts.gpus.xids:
        known = explain_xid(seen.code)
        if seen.before_end_seconds <= _SAME_END_SECONDS and fits(known):
            return f"XID {seen.code} on {plain(seen.gpu)}, {seen.before_end_seconds:.0f} s before the end: {known.text}"
    return None


def _lost(facts: EndFacts) -> str | None:
    if facts.gpus.lost:
        return f"The driver does not show {', '.join(map(plain, facts.gpus.lost))} any more."
    return _told(facts, lambda xid: xid.code == _BUS)


def held_down(facts: EndFacts) -> str | None:
    """Say which of the job's GPUs heat, the power supply or the hardware slowed down for much of its life."""
    slow = [one for one in facts.gpus.throttled if one.seconds >= one.of_seconds * _MUCH]
    if not slow:
        return None
    told = (f"{plain(one.gpu)} for {duration_text(one.seconds)} of {duration_text(one.of_seconds)}" for one in slow)
    return f"Heat, the power supply or the hardware held clocks down: {', '.join(told)}."


def _closed(facts: EndFacts) -> str | None:
    if not facts.gpus.closed:
        return None
    return f"Its control group no longer let it open {', '.join(map(plain, facts.gpus.closed))}."


def _damaged(facts: EndFacts) -> str | None:
    return _told(facts, lambda xid: xid.code in _MEMORY)


def _faulty(facts: EndFacts) -> str | None:
    """Return a fault that is not the program's, and that the GPU does not get over by itself."""
    return _told(facts, lambda xid: xid.level == "alert" and xid.blame is not Blame.APPLICATION)


def _misused(facts: EndFacts) -> str | None:
    return _told(facts, lambda xid: xid.blame is Blame.APPLICATION and xid.code != _AFTER_OTHERS)


HARDWARE = (
    EndCause(
        "gpu_lost", "A GPU was lost", Weight.ROOT,
        "A GPU of the job is gone: it has fallen off the bus.",
        "Check the board's seat, power and cooling, then restart the machine. The job can run on other GPUs till then.",
        said("GPU has fallen off the bus", "GPU is lost", "Unable to determine the device handle for GPU",
             "ERROR_GPU_IS_LOST"),
        judge=_lost,
        beside=held_down,
    ),
    EndCause(
        "gpu_ecc", "GPU memory damaged", Weight.ROOT,
        "The memory of a GPU is damaged: what it computed may be wrong.",
        "Don't trust this run's results. See the GPU's events, reset it, and have the board examined if it comes back.",
        said("uncorrectable ECC error", "cudaErrorECCUncorrectable", "CUDA_ERROR_ECC_UNCORRECTABLE"),
        judge=_damaged,
    ),
    EndCause(
        "gpu_xid", "A fault of the GPU", Weight.ROOT,
        "The driver told of a fault of the job's GPU.", _EVENTS,
        found("nvrm: xid", r"NVRM: Xid \(.*?\): (?P<xid>\d+)"),
        judge=_faulty,
        beside=held_down,
    ),
    EndCause(
        "nvlink_error", "The link between GPUs failed", Weight.ROOT,
        "A link between the GPUs failed.", _EVENTS,
        said("uncorrectable NVLink error", "cudaErrorNvlinkUncorrectable", "CUDA_ERROR_NVLINK_UNCORRECTABLE"),
    ),
)  # fmt: skip

DRIVER = (
    EndCause(
        "gpu_access_lost", "The container lost its GPUs", Weight.ROOT,
        "The container has lost its GPUs while it ran.",
        "A reload of systemd on the host does this. Submit the job again; the doctor shows how to prevent it.",
        said("Failed to initialize NVML: Unknown Error"),
        judge=_closed,
    ),
    EndCause(
        "driver_mismatch", "CUDA and driver don't fit", Weight.ROOT,
        "The CUDA of the image and the driver of this machine don't fit together.",
        "Use an image with an older CUDA, or update the driver. After a driver update, restart the machine.",
        said("Driver/library version mismatch", "driver version is insufficient", "cudaErrorInsufficientDriver",
             "forward compatibility was attempted on non supported HW", "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
             "cudaErrorSystemDriverMismatch", "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE")
        + said("driver on your system is too old", "unsupported toolchain", in_warnings=True)
        + found("unsatisfied condition: cuda", r"unsatisfied condition: cuda\s*>=?"),
    ),
    EndCause(
        "fabric_manager", "GPU fabric not ready", Weight.ROOT,
        "The GPUs' switch fabric is not ready.",
        Hint("systemctl status nvidia-fabricmanager", before="See its service on this machine: ", after="."),
        said("system not yet initialized", "CUDA_ERROR_SYSTEM_NOT_READY", "cudaErrorSystemNotReady", in_warnings=True),
    ),
    EndCause(
        "driver_gone", "No GPU or driver found", Weight.SPECIFIC,
        "The program found no GPU, or no driver for it.",
        Hint("mlops-desk doctor", before="Ask for GPUs with resources: {gpus: 1}. If the job has some: "),
        said("no CUDA-capable device is detected", "No CUDA GPUs are available", "Found no NVIDIA driver",
             "CUDA_ERROR_NO_DEVICE", "cudaErrorNoDevice", "NVIDIA-SMI has failed", "Failed to initialize NVML",
             "couldn't communicate with the NVIDIA driver", "Torch not compiled with CUDA enabled",
             "torch.cuda.is_available() is False", "No supported GPU backend found",
             "CUDA initialization: CUDA unknown error", "CUDA_ERROR_UNKNOWN", "NVML: Driver Not Loaded",
             "NVML_ERROR_DRIVER_NOT_LOADED", "NVML Shared Library Not Found")
        + found("libcuda.so", r"libcuda\.so\S*: cannot open shared object|could not load.*libcuda\.so"),
    ),
    EndCause(
        "gpu_busy", "GPU busy with another program", Weight.SPECIFIC,
        "The GPU does not let in another program.",
        "It may be in exclusive mode: look at its compute mode, and who else uses it.",
        said("all CUDA-capable devices are busy or unavailable", "cudaErrorDevicesUnavailable",
             "exclusive-process"),
    ),
    EndCause(
        "gpu_index", "No GPU of that number", Weight.SPECIFIC,
        "The program asked for a GPU that it does not have.",
        "Inside the container GPUs are counted from 0. Ask for more with resources: {gpus: ...}, or start fewer ranks.",
        said("invalid device ordinal", "cudaErrorInvalidDevice", "CUDA_ERROR_INVALID_DEVICE", "Invalid device id")
        + found("cuda:", r"device (?:index|=) ?'?cuda:\d+.*(?:not available|is invalid|only \d)"),
    ),
)  # fmt: skip

PROGRAMS = (
    EndCause(
        "cuda_no_kernel", "Framework not built for this GPU", Weight.SPECIFIC,
        "The framework in the image was not built for this GPU.",
        "Use an image whose framework supports this model of GPU, or ask for another with resources: {gpu_model: ...}.",
        said("no kernel image is available for execution", "CUDA_ERROR_NO_BINARY_FOR_GPU",
             "device kernel image is invalid", "cudaErrorNoKernelImageForDevice", "cudaErrorInvalidKernelImage")
        + found("ptx", r"PTX .*(?:was compiled with|JIT compil).*(?:unsupported|failed)")
        + found("cuda capability sm_", r"CUDA capability sm_\d+\w? is not compatible", in_warnings=True),
    ),
    EndCause(
        "cuda_assert", "A check in a GPU kernel failed", Weight.SPECIFIC,
        "The program asked a GPU kernel for something impossible.",
        'Mostly an index or a label out of range. Set env: {CUDA_LAUNCH_BLOCKING: "1"} to see the line in question.',
        said("device-side assert triggered", "cudaErrorAssert", "CUDA_ERROR_ASSERT")
        + found(".cu:", r"\.cuh?:\d+: .*block: \[.*\].*Assertion `"),
    ),
    EndCause(
        "cuda_illegal_access", "Illegal access to GPU memory", Weight.SPECIFIC,
        "A GPU kernel of the program reached for memory that it may not use.",
        'A bug of the program or a library: set env: {CUDA_LAUNCH_BLOCKING: "1"}, or run compute-sanitizer.',
        said("illegal memory access", "misaligned address", "an illegal instruction was encountered",
             "CUDA_ERROR_ILLEGAL_ADDRESS", "cudaErrorIllegalAddress"),
    ),
    EndCause(
        "cuda_launch_failed", "A GPU kernel failed", Weight.SPECIFIC,
        "A GPU kernel of the program failed.",
        "Set env: {CUDA_LAUNCH_BLOCKING: \"1\"} to see the line. If other programs fail as well: the GPU's events.",
        said("unspecified launch failure", "CUDA_ERROR_LAUNCH_FAILED", "cudaErrorLaunchFailure",
             "the launch timed out and was terminated", "too many resources requested for launch",
             "invalid configuration argument", "CUDA error: unknown error"),
    ),
    EndCause(
        "gpu_fault", "Ended by the GPU driver", Weight.CONSEQUENCE,
        "The driver ended the program on its GPU for a fault.",
        "Mostly a bug of the program: compute-sanitizer finds it.", judge=_misused,
    ),
    EndCause(
        "cudnn_failed", "cuDNN missing or unfit", Weight.SPECIFIC,
        "cuDNN is missing or does not fit.",
        "Use an image with the cuDNN that its framework was built for; a GPU whose memory is full shows this, too.",
        said("could not load library libcudnn", "CUDNN_STATUS_", "cuDNN error", "DNN library is not found",
             "Unable to load any of {libcudnn")
        + found("libcudnn", r"libcudnn\S*: cannot open shared object|Loaded runtime CuDNN library: .* but source was"),
    ),
    EndCause(
        "cublas_failed", "A matrix operation failed", Weight.SPECIFIC,
        "A matrix operation on the GPU failed.",
        "Often an index out of range before, or the GPU's memory: set env: {CUDA_LAUNCH_BLOCKING: \"1\"}.",
        said("CUBLAS_STATUS_", "CUSOLVER_STATUS_", "cusolver error", "CUSPARSE_STATUS_", "CUFFT_"),
    ),
    EndCause(
        "device_mismatch", "Tensors on different devices", Weight.SPECIFIC,
        "The program mixed tensors of several devices.",
        "Move model and data to the same device before they meet.",
        said("Expected all tensors to be on the same device", "weight type (torch.FloatTensor) should be the same")
        + found("input type (", r"Input type \(.*\) and weight type \(.*\) should be the same"),
    ),
    EndCause(
        "cuda_error", "A call to the GPU failed", Weight.SPECIFIC,
        "A call to the GPU failed.",
        'Set env: {CUDA_LAUNCH_BLOCKING: "1"} to see the line in question.',
        found("cuda error", r"(?:Error|Exception|error).*CUDA error: |^CUDA error"),
    ),
)  # fmt: skip
