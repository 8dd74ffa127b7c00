"""The main job, offline, on a real engine and a real MLflow: train, register, deploy, ask, see drift, retrain.

Everything goes through the command line, as another program would do it.
"""

import csv
import json
import random
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.desk import Desk, iris_project

pytestmark = [pytest.mark.end2end, pytest.mark.engine]

PACKAGES = ("mlflow-skinny==3.17.2", "scikit-learn", "pandas", "numpy")
SPEC = """
apiVersion: mlops-desk/v1
kind: Job
name: train-iris
image: {image}
command: [python3, /code/train_iris.py, "{strength}"]
env: {{OMP_NUM_THREADS: "1"}}
resources: {{cpus: 2, memory: 2GiB}}
mounts:
  - {{source: code, target: /code, mode: ro}}
  - {{source: data, target: /data, mode: ro}}
mlflow: {{experiment: iris}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's project: code, data, and fresh data that has moved."""
    return iris_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk") / "data")
    desk.json("settings", "set", "jobs.mount_roots", "~ /tmp")
    yield desk
    for endpoint in desk.json("endpoints", "list"):
        desk.json("endpoints", "remove", endpoint["name"])
    desk.stop()


def submit(desk: Desk, place: Path, image: str, strength: float) -> dict[str, Any]:
    (place / "job.yaml").write_text(SPEC.format(image=image, strength=strength))
    job = desk.json("jobs", "submit", str(place / "job.yaml"))
    return finished(desk, job["id"])


def finished(desk: Desk, job_id: str) -> dict[str, Any]:
    final = {"succeeded", "failed", "cancelled", "unknown"}
    return desk.wait(lambda: desk.json("jobs", "show", job_id), lambda job: job["state"] in final, 300)


def ask(url: str, token: str, rows: list[dict[str, float]]) -> Any:
    body = json.dumps({"dataframe_records": rows}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=110) as answer:
        return json.load(answer)


def rows_of(path: Path, shift: float) -> list[dict[str, float]]:
    with path.open() as file:
        rows = [
            {name: float(value) for name, value in row.items() if name != "species"} for row in csv.DictReader(file)
        ]
    for row in rows:
        row["petal_length"] += shift
    random.Random(1).shuffle(rows)
    return rows


def test_train_register_deploy_ask_drift_retrain(
    desk: Desk, place: Path, training_image: str, serving: dict[str, str]
) -> None:
    # Train: a real container, whose run and model are in the registry.
    job = submit(desk, place, training_image, 1.0)
    assert job["state"] == "succeeded", "\n".join([str(job["reason"]), *desk.json("jobs", "logs", job["id"])])
    assert job["exit_code"] == 0
    assert job["reason"] is None
    assert any("accuracy" in line for line in desk.json("jobs", "logs", job["id"]))
    run = desk.json("runs", "show", job["mlflow_run_id"])
    assert run["status"] == "FINISHED"
    assert run["metrics"]["accuracy"] > 0.9
    models = desk.json("models", "list")
    assert [(model["name"], model["latest_version"]) for model in models] == [("iris", "1")]
    desk.json("models", "alias", "iris", "champion", "--version", "1")
    assert desk.json("models", "list")[0]["aliases"] == {"champion": "1"}
    assert desk.json("runs", "list", "--experiment", "iris", "--sort", "metrics.accuracy:desc", "--limit", "5")

    # Deploy: a container without egress, an image made offline from the wheelhouse.
    for key, value in serving.items():
        desk.json("settings", "set", key, value)
    endpoint = desk.json("endpoints", "deploy", "iris@champion", "--name", "flowers", timeout=600)
    assert endpoint["state"] == "live", f"{endpoint['reason']}\n{desk.run('endpoints', 'logs', 'flowers').stdout}"
    assert endpoint["model"]["version"] == "1"

    # Ask: through the gateway, on both of its spellings.
    rows = rows_of(place / "data" / "iris.csv", shift=2.0)
    predictions = [ask(endpoint["url"], endpoint["token"], [row])["predictions"][0] for row in rows[:100]]
    assert set(predictions) <= {0, 1, 2}
    ask(endpoint["url"] + "/invocations", endpoint["token"], rows[100:])
    show = desk.wait(
        lambda: desk.json("endpoints", "show", "flowers"), lambda e: e["load"]["requests_total"] >= 101, 30
    )
    assert show["load"]["errors_total"] == 0

    # Drift: the column that moved is named, the others are not.
    def enough() -> dict[str, Any]:
        return desk.json("drift", "check", "flowers", "--window", "1000", timeout=300)

    report = desk.wait(enough, lambda answer: answer["dataset"]["n_current"] >= 150, 240)
    verdicts = {column["name"]: column["verdict"] for column in report["columns"]}
    assert report["verdict"] == "drift"
    assert verdicts["petal_length"] == "drift"
    assert {verdicts["sepal_length"], verdicts["sepal_width"], verdicts["petal_width"]} == {"ok"}
    moved = next(column for column in report["columns"] if column["name"] == "petal_length")
    assert moved["measures"]["wasserstein_normed"]["value"] > 0.3
    assert moved["histogram"]["edges"]
    assert desk.json("drift", "list")[0]["id"] == report["id"]

    # Retrain: the champion's job again with fresh data; nothing moves before a person says so.
    rows = "--test", str(place / "data" / "iris.csv"), "--newest", str(place / "fresh" / "iris.csv"), "--delta", "0.05"
    rule = "--model", "iris", "--metric", "accuracy", "--endpoint", "flowers", "--label", "species"
    desk.json("rules", "create", "keep-fresh", *rule, *rows)
    retraining = desk.json("rules", "fire", "keep-fresh", "--data", f"/data={place / 'fresh'}")
    done = finished(desk, retraining["job_id"])
    assert done["state"] == "succeeded", done
    settled = desk.wait(lambda: desk.json("rules", "retrainings")[0], lambda item: item["state"] != "training", 240)
    assert desk.json("models", "list")[0]["aliases"] == {"champion": "1"}
    assert settled["challenger_version"] == "2", settled
    assert settled["state"] in {"waiting_for_approval", "not_better"}, settled
    assert 0.5 < settled["champion_value"] <= 1.0
    assert desk.json("pipelines", "show", settled["id"])["comparison"]["rows"] == 150
    if settled["state"] == "waiting_for_approval":
        desk.json("rules", "approve", settled["id"])
        assert desk.json("models", "list")[0]["aliases"] == {"champion": "2", "challenger": "2"}


def test_what_outlives_the_agent_is_found_again(desk: Desk) -> None:
    before = desk.json("endpoints", "show", "flowers")
    token = desk.run("endpoints", "token", "flowers").stdout.split()[-1]
    desk.json("agent", "stop")
    time.sleep(0.5)
    rows = [{"sepal_length": 5.0, "sepal_width": 3.0, "petal_length": 1.4, "petal_width": 0.2}]
    assert ask(before["url"], token, rows)["predictions"] == [0]
    after = desk.wait(lambda: desk.json("endpoints", "show", "flowers"), lambda e: e["state"] == "live", 240)
    assert after["url"] == before["url"]
    assert after["replicas"][0]["container"] == before["replicas"][0]["container"]
    assert [job["state"] for job in desk.json("jobs", "list")] == ["succeeded", "succeeded"]


def test_a_retraining_whose_job_was_cancelled_is_tried_again_and_begins_nothing_while_it_is_paused(
    desk: Desk, place: Path
) -> None:
    def refused(said: str, verb: str) -> None:
        done = desk.run("pipelines", verb, run_id, check=False)
        assert (done.returncode, said in done.stderr) == (1, True), (done.stdout, done.stderr)

    def show() -> dict[str, Any]:
        return desk.json("pipelines", "show", run_id)  # type: ignore[no-any-return]  # JSON

    def states() -> dict[str, str]:
        return {step["name"]: step["state"] for step in show()["steps"]}

    (place / "newer").mkdir()
    rows = (place / "fresh" / "iris.csv").read_text().splitlines(keepends=True)
    (place / "newer" / "iris.csv").write_text("".join(rows[:-1]))  # what was trained on before is not trained on again
    fired = desk.json("rules", "fire", "keep-fresh", "--data", f"/data={place / 'newer'}")
    run_id, first = fired["id"], fired["job_id"]
    refused("is not paused", "resume")
    refused("can't be tried again: it is running", "retry")
    desk.json("jobs", "cancel", first)
    failed = desk.wait(show, lambda run: run["state"] != "running")
    assert (failed["state"], failed["challenger_version"]) == ("failed", None)
    before = states()
    assert (before["freeze"], before["train"], before["evaluate"]) == ("done", "failed", "waiting")
    refused("is over: failed", "pause")

    desk.json("pipelines", "retry", run_id)
    again = desk.wait(show, lambda run: run["job_id"] not in {None, first})["job_id"]
    assert desk.json("pipelines", "pause", run_id)["state"] == "paused"
    done = finished(desk, again)
    assert done["state"] == "succeeded", "a training that runs goes on"
    desk.json("agent", "stop")
    held = show()
    assert (held["state"], states()["evaluate"], held["comparison"]) == ("paused", "waiting", None)
    assert states()["freeze"] == "done", "what went well is not done again"

    desk.json("pipelines", "resume", run_id)
    settled = desk.wait(show, lambda run: run["state"] not in {"running", "paused"})
    assert settled["state"] in {"waiting_for_approval", "not_better"}, settled["text"]
    assert (settled["tries"], settled["job_id"], settled["comparison"]["rows"]) == (2, again, 150)
    refused("is not paused", "resume")
    assert [job["id"] for job in desk.json("jobs", "list")[:2]] == [again, first], "nothing was trained once more"
