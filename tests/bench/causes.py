"""How long it takes to say why a job ended, and how often that is right: ``python tests/bench/causes.py [CORPUS]``.

CORPUS is a checkout of github.com/Parv-01/gpualert-eval (MIT): 474 labelled logs in 15 classes, with which GPUAlert was
measured by its authors. The half whose ids have an even hash was looked at while the table of causes was written, the
other was not. Without it only the time is told, over a log of 2,000 lines of eight ranks that fail one after another.
"""

import hashlib
import json
import sys
import time
from collections import Counter
from pathlib import Path

from mlops_desk.jobs.failure_causes.judge import why
from mlops_desk.jobs.records.failure_facts import EndFacts
from mlops_desk.jobs.records.reason import Reason

_REPEATS = 50
_COARSE = {
    "oom_cuda": "cuda_oom",
    "oom_host": "ram_oom",
    "oom_kernel": "oom_killer",
    "segfault": "segfault",
    "file_missing": "file_not_found",
    "script_missing": "file_not_found",
    "permission_denied": "permission",
    "module_missing": "missing_module",
    "division_by_zero": "div_zero",
    "device_mismatch": "device_mismatch",
    "nan_loss": "nan_loss",
    "assertion": "assertion",
    **dict.fromkeys(("nccl_timeout", "nccl_failed", "nccl_connection", "rendezvous_failed"), "nccl"),
    **dict.fromkeys(
        ("cuda_assert", "cuda_illegal_access", "cuda_launch_failed", "cudnn_failed", "cublas_failed", "cuda_error",
         "gpu_fault", "gpu_index", "gpu_busy", "driver_gone", "driver_mismatch"),
        "cuda_runtime",
    ),
}  # fmt: skip
"""Our finer classes as the corpus calls them."""


def coarse(reason: Reason) -> str:
    """Return a class of the corpus; what it has no class for goes by the exception, as its authors' own rules do."""
    said = reason.evidence or ""
    if reason.class_ in _COARSE:
        return _COARSE[reason.class_]
    if "ImportError:" in said:
        return "missing_module"
    if "CUDA error" in said:
        return "cuda_runtime"
    if "RuntimeError" in said:
        return "runtime_error"
    return "generic" if reason.class_ == "killed" else "traceback"


def macro_f1(told: list[tuple[str, str]]) -> float:
    """Return the mean F1 over the classes of pairs (true, told)."""
    right = Counter(true for true, said in told if true == said)
    missed = Counter(true for true, said in told if true != said)
    wrong = Counter(said for true, said in told if true != said)
    classes = {true for true, _ in told}
    return sum(2 * right[each] / (2 * right[each] + missed[each] + wrong[each]) for each in classes) / len(classes)


def measure(corpus: Path) -> None:
    rows = [json.loads(line) for line in (corpus / "corpus/labels.jsonl").read_text().splitlines()]
    halves: dict[int, list[tuple[str, str]]] = {0: [], 1: []}
    spent = 0.0
    for row in rows:
        log = (corpus / row["log_path"]).read_text(errors="replace").splitlines()
        code = row["true_exit_code"]
        begun = time.perf_counter()
        reason = why(EndFacts(128 - code if code < 0 else code, log))
        spent += time.perf_counter() - begun
        half = int(hashlib.sha256(row["id"].encode()).hexdigest(), 16) % 2
        halves[half].append((row["mode"], coarse(reason)))
    print(f"corpus: {len(rows)} logs, {1000 * spent / len(rows):.2f} ms a log")
    for half, name in ((0, "looked at"), (1, "not looked at")):
        print(f"  half {name}: {len(halves[half])} logs, macro-F1 {macro_f1(halves[half]):.4f}")


def long_log() -> list[str]:
    steps = [f"[rank0]: epoch 3 step {number}/5000 loss 0.{number:04d} 3.1it/s" for number in range(1700)]
    trace = ["Traceback (most recent call last):", *[f'  File "train.py", line {n}, in f' for n in range(30)]]
    failed = [*trace, "torch.distributed.DistBackendError: NCCL error in: x.cpp:1, remote process exited"]
    return [*steps, *[f"[rank{rank}]: {line}" for rank in range(8) for line in failed]]


def main() -> None:
    log = long_log()
    begun = time.perf_counter()
    for _ in range(_REPEATS):
        why(EndFacts(1, log))
    print(f"a log of {len(log):,} lines of eight ranks: {1000 * (time.perf_counter() - begun) / _REPEATS:.1f} ms")
    for corpus in sys.argv[1:]:
        measure(Path(corpus))


if __name__ == "__main__":
    main()
