"""What one act of the doctor brings on a store of 20,000 runs: MLflow's own client before and after, on a copy of store A.

``python tests/bench/registry_doctor.py``. Everything is asked by MlflowClient, which is what MLflow's own page asks; each
question is asked three times and the least time counts. Beside it: how long the report takes, how long the copy and the
counting take, and the longest that a writer waits who logs a metric every 20 ms meanwhile.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from mlops_desk.registry.doctor import worker
from tests.registry_stores import store_a

ASK = """
import json, sys, time
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
sizes = {one.experiment_id: one for one in client.search_experiments(max_results=1000)}
largest, first = sys.argv[2], None
def least(ask, times=3):
    took = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return min(took)
runs = client.search_runs([largest], max_results=100)
run = runs[0].info.run_id
metric = sorted(runs[0].data.metrics)[0]
print(json.dumps({
    "first 100 by start": least(lambda: client.search_runs([largest], max_results=100)),
    "100 sorted by a metric": least(lambda: client.search_runs([largest], order_by=[f"metrics.`{metric}` DESC"], max_results=100), 2),
    "history of a metric": least(lambda: client.get_metric_history(run, metric)),
}))
"""
WRITE = """
import json, sys, time
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
run = client.create_run(sys.argv[2]).info.run_id
print("ready", flush=True)
n, worst, errors = 0, 0.0, 0
import select
while not select.select([sys.stdin], [], [], 0.02)[0]:
    began = time.perf_counter()
    try:
        client.log_metric(run, "beside", float(n), step=n)
    except Exception:
        errors += 1
    worst = max(worst, time.perf_counter() - began)
    n += 1
print(json.dumps({"writes": n, "worst_ms": 1000 * worst, "errors": errors}))
"""


def python(code: str, *words: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )


def asked(uri: str, experiment: str) -> dict[str, float]:
    answer: dict[str, float] = json.loads(python(ASK, uri, experiment).communicate(timeout=900)[0].splitlines()[-1])
    return answer


def beside(uri: str, experiment: str, store: Path, fix: str) -> tuple[float, dict[str, float]]:
    """Mend the store while somebody writes to it; return how long it took, and what the writer saw."""
    writer = python(WRITE, uri, experiment)
    assert writer.stdout is not None
    while "ready" not in writer.stdout.readline():
        pass
    done = worker.mend(store, fix)
    return done.seconds, json.loads(writer.communicate("x", timeout=120)[0].splitlines()[-1])


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="registry-doctor-") as folder:
        store = Path(folder, "mlflow.db")
        shutil.copyfile(store_a(), store)
        uri = f"sqlite:///{store}"
        began = time.perf_counter()
        report = worker.file_report(store, uri, is_ours=False)
        looked = time.perf_counter() - began
        experiment = max(report.experiments, key=lambda one: one.n_runs).experiment_id
        before = asked(uri, experiment)
        seconds, seen = beside(uri, experiment, store, "analyze")
        after = asked(uri, experiment)
        print(f"store of {store.stat().st_size >> 20} MiB, looked over in {looked:.2f} s")
        print(f"copied, checked and counted in {seconds:.2f} s; a writer beside: {seen}")
        print(f"{'by MlflowClient':28}{'before':>12}{'after':>12}{'times':>8}")
        for what, took in before.items():
            print(f"{what:28}{1000 * took:9.0f} ms{1000 * after[what]:9.1f} ms{took / after[what]:8.1f}")
        # With nobody beside: of a store of this size that is written to all the time no whole copy is made.
        print(f"log of writes, nobody beside: {worker.mend(store, 'wal').seconds:.2f} s")


if __name__ == "__main__":
    main()
