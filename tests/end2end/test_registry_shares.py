"""What MLflow's own client logs in one go arrives, and a job that sends too much keeps nobody else from logging."""

import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from mlops_desk.registry.server.quotas import ROW_BYTES, LogRefusals, StoredAmounts
from mlops_desk.registry.server.tickets import Grant, Tickets
from tests.end2end.served_registry import GUARD, Served

pytestmark = [pytest.mark.end2end]

MIB = 1 << 20

BATCHES = """
import json, os, mlflow, pandas as pd, numpy as np
from mlflow.entities import Metric, Param, RunTag
client, run = mlflow.MlflowClient(), os.environ["RUN"]
client.log_batch(run, metrics=[Metric(f"m{n}/" + "k" * 200, n / 7, 1_700_000_000_000 + n, n) for n in range(1000)])
client.log_batch(run, params=[Param(f"p{n}", "v" * 6000) for n in range(100)])
client.log_batch(run, tags=[RunTag(f"t{n}", "v" * 5000) for n in range(100)])
wide = pd.DataFrame(np.zeros((3, 5000)), columns=[f"column {n}" for n in range(5000)])
client.log_inputs(run, [mlflow.entities.DatasetInput(mlflow.data.from_pandas(wide, name="wide")._to_mlflow_entity())])
found = client.get_run(run)
print(json.dumps([len(found.data.metrics), len(found.data.params),
                  len([t for t in found.data.tags if t.startswith("t")]), len(found.inputs.dataset_inputs[0].dataset.schema)]))
"""

TOO_MUCH = """
import os, pathlib, tempfile, mlflow
client, run = mlflow.MlflowClient(), os.environ["RUN"]
with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder, "large.bin")
    file.write_bytes(b"x" * (12 << 20))
    client.log_artifact(run, str(file))
    try:
        client.log_artifact(run, str(file), "again")
    except Exception as error:
        print(str(error))
print(sorted(one.path for one in client.list_artifacts(run)))
"""


WITHOUT_END = """
import os, mlflow
from mlflow.entities import Metric
client, run = mlflow.MlflowClient(), os.environ["RUN"]
try:
    for n in range(200):
        client.log_batch(run, metrics=[Metric("loss", n, n, 500 * n + m) for m in range(500)])
except mlflow.exceptions.MlflowException as error:
    print(error)
print(len(client.get_metric_history(run, "loss")))
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = Served(tmp_path_factory.mktemp("desk"), GUARD, None)
    yield made
    made.close()


def job(served, name, artifact_bytes=100 << 20, logged_bytes=4 << 30):
    run = served.run()["run_id"]
    grant = Grant(run, name, artifact_bytes, logged_bytes=logged_bytes)
    return run, Tickets(served.ledger.tickets_folder).issue(grant)


def train(served, program, run, token):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment = {**kept, "MLFLOW_TRACKING_URI": served.uri, "MLFLOW_TRACKING_TOKEN": token, "RUN": run,
                   "MLFLOW_DISABLE_TELEMETRY": "true"}  # fmt: skip
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", program], env=environment, capture_output=True,
                         text=True, timeout=600, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    return ran.stdout


def test_the_largest_batches_of_mlflows_own_client_arrive(served):
    found = json.loads(train(served, BATCHES, *job(served, "j1-a1")).splitlines()[-1])
    assert found[:3] == [1000, 100, 100]
    assert found[3] > 200_000


def test_a_job_that_sends_large_bodies_at_once_keeps_nobody_from_logging(served):
    """More than the server holds is on its way from one job, and none of it ends; another job's batch arrives."""
    _, greedy = job(served, "greedy-a1")
    host, port = served.uri.removeprefix("http://").split(":")
    held, answers = [], []

    def flood():
        calling = socket.create_connection((host, int(port)), timeout=20)
        held.append(calling)
        head = (
            f"POST /api/2.0/mlflow/runs/log-batch HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {greedy}\r\n"
        )
        calling.sendall(f"{head}Content-Length: {4 * MIB}\r\n\r\n".encode() + b" " * (3 * MIB))
        calling.settimeout(12)
        try:
            answers.append(calling.recv(4096).split(b"\r\n")[0])
        except TimeoutError:
            answers.append(b"held")

    threads = [threading.Thread(target=flood) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert answers.count(b"held") == 2
        assert answers.count(b"HTTP/1.1 429 Too Many Requests") == 10
        run, token = job(served, "modest-a1")
        fields = {"run_id": run, "metrics": [{"key": f"m{n}", "value": n, "timestamp": n} for n in range(1000)]}
        assert served.call("POST", "runs/log-batch", fields, token)[0] == 200
    finally:
        for calling in held:
            calling.close()


def test_metrics_without_end_are_refused_in_words_and_what_was_logged_stays(served):
    run, token = job(served, "j5-a1", logged_bytes=4 * MIB)
    *_, told, count = train(served, WITHOUT_END, run, token).splitlines()
    assert told.startswith("RESOURCE_EXHAUSTED: ")
    assert "more than the 4 MiB of the registry that are allowed" in told
    assert "mlops-desk settings set jobs.logged_mebibytes N" in told
    assert int(count) % 500 == 0
    stored = StoredAmounts(served.ledger.store).bytes_of(run)
    assert int(count) * ROW_BYTES <= stored <= 4 * MIB
    assert stored > 3 * MIB, "as much as is allowed, but for what one batch of text counts"
    (refusal,) = LogRefusals(served.ledger.refused).take()
    assert (refusal.run_id, refusal.attempt_id) == (run, "j5-a1")
    assert served.call("POST", "runs/log-metric", {"run_id": run, "key": "loss", "value": 1, "timestamp": 1})[0] == 200


def test_more_files_than_a_job_may_have_are_refused_in_words_and_leave_nothing(served):
    run, token = job(served, "j2-a1", 20 << 20)
    told = train(served, TOO_MUCH, run, token)
    assert "more than the 20 MiB that are allowed" in told
    assert "mlops-desk settings set jobs.artifact_mebibytes" in told
    assert told.splitlines()[-1] == "['large.bin']"
    folder = served.ledger.artifacts / "0" / run / "artifacts"
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["large.bin"]


def test_a_file_of_unknown_length_is_cut_off_midway_and_no_part_of_it_stays(served):
    run, token = job(served, "j3-a1", 20 << 20)
    host, port = served.uri.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as calling:
        path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/a.bin"
        head = f"PUT {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
        calling.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(30):
            calling.sendall(b"%x\r\n" % MIB + b"x" * MIB + b"\r\n")
        calling.sendall(b"0\r\n\r\n")
        answer = calling.recv(4096)
    assert answer.startswith(b"HTTP/1.1 507")
    assert not [path for path in (served.ledger.artifacts / "0" / run).rglob("*") if path.is_file()]
    assert served.ask("PUT", path, b"small", token)[0] == 200


FLOOD = """
import encodings.idna, os, socket, sys
os.setuid(4242)
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) for _ in range(300)]
print("held", flush=True)
sys.stdin.read()
"""


def test_another_users_connections_push_out_none_of_mine(served):
    if os.getuid() != 0:
        pytest.skip("only root can be two users")
    host, port = served.uri.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as mine:
        mine.sendall(f"GET /version HTTP/1.1\r\nHost: {host}:{port}\r\n".encode())
        with subprocess.Popen([sys.executable, "-c", FLOOD, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as flood:  # fmt: skip
            assert flood.stdout.readline() == "held\n"
            assert served.ask("GET", "/version")[0] == 200
            mine.sendall(f"Authorization: Bearer {served.owner}\r\n\r\n".encode())
            assert mine.recv(4096).startswith(b"HTTP/1.1 200")
            flood.stdin.close()
