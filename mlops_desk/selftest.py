"""``--selftest DIR``: try everything that an installation can lose, and write what was found.

Run as a worker by the command line. Each check exercises a part for real: a database is made and
migrated, a collector process sends a sample, an MLflow store is opened, a Parquet file goes through
DuckDB, drift is computed, the window is drawn and grabbed. The report is ``DIR/selftest.json``, the
window's picture ``DIR/window.png``.
"""

import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from mlops_desk import __version__
from mlops_desk.kit.base import interpreter
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.process import end_group, python_command, run_command, run_worker, serve_one, start_child

_DEADLINE_SECONDS = 120.0
"""Chosen: each part loads its libraries, perhaps from a slow disk; what hangs is told all the same."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Make all checks; returns the report that is also written to ``folder``."""
    folder = Path(request["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    checks = [_made(name, work, folder) for name, work in _CHECKS.items()]
    report = {
        "ok": all(check["ok"] for check in checks),
        "version": __version__,
        "python": platform.python_version(),
        "machine": platform.platform(),
        "checks": checks,
    }
    write_atomically(folder / "selftest.json", json.dumps(report, indent=2).encode())
    return report


def _made(name: str, work: Callable[[Path], str], folder: Path) -> dict[str, Any]:
    begun = time.monotonic()
    try:
        text, ok = work(folder), True
    except Exception as error:  # noqa: BLE001 - whatever is broken is the answer
        text, ok = f"{type(error).__name__}: {error}"[:1000], False
    return {"name": name, "ok": ok, "text": text, "seconds": round(time.monotonic() - begun, 3)}


def _resources(_folder: Path) -> str:
    wrapper = resources.files("mlops_desk.jobs.runtimes.local").joinpath("wrapper.sh")
    if not wrapper.read_text(encoding="utf-8").startswith("#!"):
        raise ValueError("the job wrapper is empty")
    return "files inside the package are readable"


def _databases(folder: Path) -> str:
    from mlops_desk.automation.records.retraining_rule import Rule  # noqa: PLC0415 - each check imports what it tries
    from mlops_desk.kit.storage.state import State  # noqa: PLC0415 - that it can be loaded is what is tried

    with tempfile.TemporaryDirectory(dir=folder) as place:
        state = State(Path(place) / "state.db")
        rule = Rule("try", "model", "champion", "auc")
        state.rules.put(rule)
        if state.rules.get("try") != rule:
            raise ValueError("a record came back changed")
        state.close()
    return "state database made, migrated, written and read"


def _collector(_folder: Path) -> str:
    command = python_command("mlops_desk.machine.telemetry.collector", "--simulated", "1", "--interval", "0.5")
    process = start_child(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        if process.stdout is None or not process.stdout.read(4):
            raise ValueError("the collector sent nothing")
    finally:
        end_group(process)
    return "the collector process sends samples"


def _processes(_folder: Path) -> str:
    from mlops_desk.machine.telemetry.processes.process_reader import ProcessReader  # noqa: PLC0415 - that it can be loaded is tried

    found = ProcessReader().read(1, [os.getpid()])
    if not any(one.pid == os.getpid() and one.user for one in found.processes):
        raise ValueError("this process is not found among those of the machine")
    return f"{found.count} processes of this machine are seen"


def _nvml(_folder: Path) -> str:
    import pynvml  # noqa: PLC0415 - that it can be loaded is what is tried

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return f"NVML binding loads; no driver here ({error})"
    count = pynvml.nvmlDeviceGetCount()
    pynvml.nvmlShutdown()
    return f"NVML answers: {count} GPUs"


def _engine(_folder: Path) -> str:
    import docker  # noqa: PLC0415 - that it can be loaded is what is tried

    return f"Docker SDK {docker.__version__} loads"


def _registry(folder: Path) -> str:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        code = (
            "import mlflow, sys; c = mlflow.MlflowClient(sys.argv[1]); "
            "c.create_registered_model('try'); print(len(c.search_registered_models()))"
        )
        command = interpreter.command("-c", code, f"sqlite:///{place}/store.db")
        done = run_command(command, _DEADLINE_SECONDS)
    if done.output.strip() != b"1":
        raise ValueError(done.errors.decode("utf-8", "replace").strip()[-500:] or "no answer")
    return "an MLflow store was made and a model registered in it"


def _drift(folder: Path) -> str:
    import duckdb  # noqa: PLC0415 - that it can be loaded is what is tried

    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = f"{place}/data.parquet"
        duckdb.execute("copy (select range::double as x from range(200)) to ? (format parquet)", [path])
        report = run_worker("mlops_desk.drift.worker", {"reference": path, "current": path}, _DEADLINE_SECONDS)
    if report["verdict"] != "ok":
        raise ValueError(f"a file differs from itself: {report['verdict']}")
    return "Parquet is written and compared"


def _window(folder: Path) -> str:
    picture = folder / "window.png"
    environment = {"QT_QPA_PLATFORM": os.environ.get("QT_QPA_PLATFORM", "offscreen")}
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        environment["QT_QPA_PLATFORM"] = "offscreen"
    elif "QT_QPA_PLATFORM" not in os.environ:
        environment = {}
    run_worker("mlops_desk.desk.window.screenshot", {"picture": str(picture)}, _DEADLINE_SECONDS, environment)
    return f"the window is drawn ({picture.stat().st_size // 1024} KiB)"


_CHECKS: dict[str, Callable[[Path], str]] = {
    "resources": _resources,
    "databases": _databases,
    "collector": _collector,
    "processes": _processes,
    "nvml binding": _nvml,
    "container sdk": _engine,
    "registry store": _registry,
    "data files and drift": _drift,
    "window": _window,
}

if __name__ == "__main__":
    serve_one(run)
