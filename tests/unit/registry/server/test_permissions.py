"""What a job's token may do: its own run, its children, new versions, and reading. Everything else is named and refused."""

import json
import sqlite3
from contextlib import closing

import pytest

from mlops_desk.registry.server.tickets import Grant
from tests.unit.registry.guard_rig import (
    CHILD,
    GRANDCHILD,
    OTHER,
    OTHER_MODEL,
    OUTSIDE,
    OWN,
    OWN_MODEL,
    OWNER,
    Door,
)


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    return Door(tmp_path_factory.mktemp("store"))


FILES = "/api/2.0/mlflow-artifacts/"

READS = [
    ("GET", "runs/get"),
    ("GET", "registered-models/alias"),
    ("GET", "model-versions/get"),
    ("GET", "artifacts/list"),
    ("GET", f"logged-models/{OTHER_MODEL}"),
    ("HEAD", "runs/get"),
    ("POST", "runs/search"),
    ("POST", "experiments/search"),
    ("POST", "logged-models/search"),
    ("POST", "registered-models/get-latest-versions"),
]


@pytest.mark.parametrize(("method", "call"), READS)
def test_a_job_reads_everything(door, method, call):
    assert door.call(method, call, {})[0] == 200


WRITES = [
    ("runs/update", {"status": "FINISHED"}),
    ("runs/log-metric", {"key": "loss", "value": 0.5, "timestamp": 1}),
    ("runs/log-parameter", {"key": "lr", "value": "0.1"}),
    ("runs/log-batch", {"metrics": [], "tags": [{"key": "team", "value": "churn"}]}),
    ("runs/set-tag", {"key": "team", "value": "churn"}),
    ("runs/delete-tag", {"key": "team"}),
    ("runs/log-inputs", {"datasets": []}),
    ("runs/log-model", {"model_json": "{}"}),
    ("runs/outputs", {"models": [{"model_id": OWN_MODEL}]}),
]


@pytest.mark.parametrize(("call", "fields"), WRITES)
@pytest.mark.parametrize("run", [OWN, CHILD, GRANDCHILD])
@pytest.mark.parametrize("prefix", ["/api/2.0/mlflow/", "/ajax-api/3.0/mlflow/"])
def test_a_job_writes_its_run_and_that_runs_children(door, call, fields, run, prefix):
    assert door.call("POST", call, {"run_id": run, **fields}, prefix=prefix)[0] == 200
    assert door.fields == {"run_id": run, **fields}


@pytest.mark.parametrize(("call", "fields"), WRITES)
@pytest.mark.parametrize(
    "named",
    [
        {"run_id": OTHER},
        {"runId": OTHER},
        {"run_uuid": OTHER},
        {"run_id": OWN, "runId": OTHER},
        {"run_id": OWN, "run_uuid": OTHER},
        {"run_id": "no-such-run"},
        {"run_id": ""},
        {},
    ],
)
def test_no_other_run_is_written(door, call, fields, named):
    reached = len(door.reached)
    status, text = door.call("POST", call, {**named, **fields})
    assert status == 403
    assert call in text
    if OTHER in named.values():
        assert OTHER in text
    assert len(door.reached) == reached
    assert door.call("POST", call, {**named, **fields}, token=OWNER)[0] == 200


REFUSED = [
    ("POST", "registered-models/alias", {"name": "churn", "alias": "champion", "version": "2"}),
    ("DELETE", "registered-models/alias", {"name": "churn", "alias": "champion"}),
    ("POST", "model-versions/transition-stage", {"name": "churn", "version": "2", "stage": "Production"}),
    ("DELETE", "model-versions/delete", {"name": "churn", "version": "2"}),
    ("DELETE", "registered-models/delete", {"name": "churn"}),
    ("POST", "registered-models/rename", {"name": "churn", "new_name": "x"}),
    ("PATCH", "registered-models/update", {"name": "churn", "description": "x"}),
    ("POST", "registered-models/set-tag", {"name": "churn", "key": "k", "value": "v"}),
    ("DELETE", "registered-models/delete-tag", {"name": "churn", "key": "k"}),
    ("POST", "runs/delete", {"run_id": OWN}),
    ("POST", "runs/restore", {"run_id": OWN}),
    ("POST", "experiments/delete", {"experiment_id": "0"}),
    ("POST", "experiments/restore", {"experiment_id": "0"}),
    ("POST", "experiments/update", {"experiment_id": "0", "new_name": "x"}),
    ("POST", "experiments/set-experiment-tag", {"experiment_id": "0", "key": "k", "value": "v"}),
    ("DELETE", f"logged-models/{OWN_MODEL}", {}),
    ("POST", "traces/delete-traces", {"experiment_id": "0"}),
    ("PATCH", "traces/tr-1/tags", {"key": "k", "value": "v"}),
    ("POST", "datasets/create", {"name": "x"}),
    ("DELETE", "datasets/d-1", {}),
    ("POST", "artifacts/presigned-upload-url", {"run_id": OWN, "path": "x"}),
    ("POST", "runs/a-call-of-tomorrow", {"run_id": OWN}),
    ("PUT", "runs/log-metric", {"run_id": OWN}),
    ("PROPFIND", "runs/search", {}),
]


@pytest.mark.parametrize(("method", "call", "fields"), REFUSED)
def test_what_is_not_listed_is_refused_by_name_and_a_person_may(door, method, call, fields):
    status, text = door.call(method, call, fields)
    assert status == 403
    assert method in text
    assert call.split("/")[0] in text
    assert door.call(method, call, fields, token=OWNER)[0] == 200


def test_a_run_that_a_job_makes_is_a_child_of_its_own(door):
    assert door.call("POST", "runs/create", {"experiment_id": "1", "tags": [{"key": "a", "value": "b"}]})[0] == 200
    assert door.fields["tags"] == [{"key": "a", "value": "b"}, {"key": "mlflow.parentRunId", "value": OWN}]
    nested = {"experiment_id": "1", "tags": [{"key": "mlflow.parentRunId", "value": CHILD}]}
    assert door.call("POST", "runs/create", nested)[0] == 200
    assert door.fields == nested
    for parent in (OTHER, "no-such-run"):
        foreign = {"experiment_id": "1", "tags": [{"key": "mlflow.parentRunId", "value": parent}]}
        assert door.call("POST", "runs/create", foreign)[0] == 403
    assert door.call("POST", "runs/create", {"experiment_id": "1"}, token=OWNER)[0] == 200
    assert door.fields == {"experiment_id": "1"}


@pytest.mark.parametrize(
    ("call", "fields"),
    [
        ("runs/create", {"experiment_id": "1", "tags": [{"key": "mlops_desk.job", "value": "another"}]}),
        ("runs/set-tag", {"run_id": CHILD, "key": "mlops_desk.job", "value": "another"}),
        ("runs/log-batch", {"run_id": CHILD, "tags": [{"key": "mlops_desk.job", "value": "another"}]}),
        ("runs/delete-tag", {"run_id": OWN, "key": "mlops_desk.job"}),
        ("runs/set-tag", {"run_id": CHILD, "key": "mlflow.parentRunId", "value": OTHER}),
    ],
)
def test_a_job_can_not_pass_its_runs_off_as_another_jobs(door, call, fields):
    assert door.call("POST", call, fields)[0] == 403


def test_logged_models_are_the_runs_that_logged_them(door):
    assert door.call("POST", "logged-models", {"experiment_id": "1", "name": "m", "source_run_id": CHILD})[0] == 200
    assert door.call("POST", "logged-models", {"experiment_id": "1", "name": "m"})[0] == 200
    assert door.fields["source_run_id"] == OWN
    assert door.call("POST", "logged-models", {"experiment_id": "1", "source_run_id": OTHER})[0] == 403
    assert door.call("POST", "logged-models", {"experiment_id": "1", "sourceRunId": OTHER})[0] == 403
    for method, rest in (("PATCH", ""), ("POST", "/params"), ("PATCH", "/tags"), ("DELETE", "/tags/key")):
        assert door.call(method, f"logged-models/{OWN_MODEL}{rest}", {})[0] == 200
        assert door.call(method, f"logged-models/{OTHER_MODEL}{rest}", {})[0] == 403
        assert door.call(method, f"logged-models/{OWN_MODEL}{rest}", {"model_id": OTHER_MODEL})[0] == 403
        assert door.call(method, f"logged-models/none{rest}", {})[0] == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"1/{OWN}/artifacts/a.txt", 200),
        (f"1/{GRANDCHILD}/artifacts/deep/a.txt", 200),
        (f"1/models/{OWN_MODEL}/artifacts/MLmodel", 200),
        (f"1/{OTHER}/artifacts/a.txt", 403),
        (f"2/{OWN}/artifacts/a.txt", 403),
        (f"1/models/{OTHER_MODEL}/artifacts/MLmodel", 403),
        (f"1/models/{OWN_MODEL}/MLmodel", 403),
        (f"1/{OWN}/a.txt", 403),
        (f"1/{OWN}/artifactsx/a.txt", 403),
        (f"1/{OUTSIDE}/artifacts/a.txt", 403),
        ("a.txt", 403),
    ],
)
def test_files_are_put_among_the_jobs_own_only(door, path, status):
    assert door.ask("PUT", f"{FILES}artifacts/{path}", b"x")[0] == status
    assert door.ask("PUT", f"/ajax-api/2.0/mlflow-artifacts/artifacts/{path}", b"x")[0] == status
    assert door.ask("POST", f"{FILES}mpu/create/{path}", b"{}")[0] == status
    assert door.ask("GET", f"{FILES}artifacts/{path}")[0] == 200
    assert door.ask("DELETE", f"{FILES}artifacts/{path}")[0] == 403


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"source": f"runs:/{OWN}/model", "run_id": OWN}, 200),
        ({"source": f"runs:/{CHILD}/model"}, 200),
        ({"source": f"mlflow-artifacts:/1/{OWN}/artifacts/model", "run_id": OWN}, 200),
        ({"source": f"models:/{OWN_MODEL}", "model_id": OWN_MODEL, "run_id": CHILD}, 200),
        ({"source": f"runs:/{OTHER}/model", "run_id": OTHER}, 403),
        ({"source": f"runs:/{OTHER}/model", "run_id": OWN}, 403),
        ({"source": f"runs:/{OWN}/model", "run_id": OTHER}, 403),
        ({"source": f"models:/{OTHER_MODEL}", "model_id": OTHER_MODEL, "run_id": OWN}, 403),
        ({"source": f"models:/{OTHER_MODEL}", "run_id": OWN}, 403),
        ({"source": f"models:/{OWN_MODEL}", "model_id": OWN_MODEL, "runId": OTHER}, 403),
        ({"source": f"mlflow-artifacts:/1/{OTHER}/artifacts/model"}, 403),
        ({"source": "models:/churn/1"}, 403),
        ({"source": "dummy-source", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]}, 403),
    ],
)
def test_versions_are_registered_from_the_jobs_own_runs(door, fields, status):
    assert door.call("POST", "model-versions/create", {"name": "churn", **fields})[0] == status


def test_a_new_model_may_be_registered_but_no_prompt(door):
    assert door.call("POST", "registered-models/create", {"name": "new"})[0] == 200
    prompt = {"name": "new", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]}
    assert door.call("POST", "registered-models/create", prompt)[0] == 403
    assert door.call("POST", "registered-models/create", prompt, token=OWNER)[0] == 200


@pytest.mark.parametrize(("method", "call"), [("POST", "set-tag"), ("PATCH", "update"), ("DELETE", "delete-tag")])
def test_a_version_is_described_by_the_run_that_registered_it(door, method, call):
    fields = {"key": "k", "value": "v"}
    assert door.call(method, f"model-versions/{call}", {"name": "churn", "version": "2", **fields})[0] == 200
    for name, version in (("churn", "1"), ("churn", "3"), ("none", "1"), ("churn", "")):
        assert door.call(method, f"model-versions/{call}", {"name": name, "version": version, **fields})[0] == 403


@pytest.mark.parametrize("key", ["mlops-desk.card", "mlops-desk.card.0123456789ab.0", "mlops_desk.job"])
def test_what_the_desk_says_of_a_version_no_job_says(door, key):
    """A card in a version's tags is shown with who agreed to it: a job would have agreed in a person's name."""
    own = {"name": "churn", "version": "2"}
    made = {"name": "churn", "run_id": OWN, "source": f"runs:/{OWN}/model", "tags": [{"key": key, "value": "{}"}]}
    for method, call, fields in (
        ("POST", "model-versions/set-tag", {**own, "key": key, "value": "{}"}),
        ("DELETE", "model-versions/delete-tag", {**own, "key": key}),
        ("POST", "model-versions/create", made),
        ("POST", "registered-models/create", {"name": "new", "tags": [{"key": key, "value": "{}"}]}),
    ):
        status, text = door.call(method, call, fields)
        assert (status, key in text) == (403, True), call
        assert door.call(method, call, fields, token=OWNER)[0] == 200


def test_a_place_for_an_experiment_is_not_a_jobs_to_choose(door):
    assert door.call("POST", "experiments/create", {"name": "x"})[0] == 200
    inside = {"name": "x", "artifact_location": f"mlflow-artifacts:/1/{OTHER}"}
    assert door.call("POST", "experiments/create", inside)[0] == 403
    assert door.call("POST", "experiments/create", inside, token=OWNER)[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b"1", b"\xff", b"{", b'"x"', b"[" * 100_000, b'{"tags": {}}', b'{"tags": [1]}',
        b'{"tags": [{"key": 1}]}', b'{"a":' * 120 + b"1" + b"}" * 120,
    ],
)  # fmt: skip
def test_a_body_that_can_not_be_judged_is_refused(door, body):
    assert door.ask("POST", "/api/2.0/mlflow/runs/create", body)[0] in {400, 403}
    assert door.ask("POST", "/api/2.0/mlflow/runs/log-batch", body)[0] in {400, 403}


def test_a_run_is_named_by_a_text(door):
    assert door.call("POST", "runs/update", {"run_id": [OWN]})[0] == 400


def test_what_is_judged_is_what_is_handed_on(door):
    """Of a name that is given twice one is judged, and only that one is seen by MLflow; so with text encoded twice."""
    twice = f'{{"run_id": "{OTHER}", "run_id": "{OWN}"}}'.encode()
    assert door.ask("POST", "/api/2.0/mlflow/runs/update", twice)[0] == 200
    assert door.reached[-1][1] == json.dumps({"run_id": OWN}).encode()
    encoded = json.dumps(json.dumps({"run_id": OWN})).encode()
    assert door.ask("POST", "/api/2.0/mlflow/runs/update", encoded, chunks=7)[0] == 200
    assert door.fields == {"run_id": OWN}
    scope = door.reached[-1][0]
    assert (b"content-length", str(len(door.reached[-1][1])).encode()) in scope["headers"]
    encoded = json.dumps(json.dumps({"run_id": OTHER})).encode()
    assert door.ask("POST", "/api/2.0/mlflow/runs/update", encoded)[0] == 403


def test_a_body_is_not_taken_for_plain_text_where_it_is_packed(door):
    assert door.ask("POST", "/api/2.0/mlflow/runs/update", b"\x1f\x8b\x08", **{"content-encoding": "gzip"})[0] == 400


def test_a_job_of_an_earlier_version_writes_its_own_run_and_not_what_was_the_owners(tmp_path):
    door = Door(tmp_path)
    door.tickets.admit("from-before", Grant(OWN, "k-a1"))
    door.tickets.admit("from-before", Grant(OTHER, "l-a1"))

    def update(run):
        return door.call("POST", "runs/update", {"run_id": run, "status": "FINISHED"}, token="from-before")[0]

    assert (update(OWN), update(CHILD), update(OTHER)) == (200, 200, 200)
    assert door.call("DELETE", "registered-models/delete", {"name": "churn"}, token="from-before")[0] == 403
    assert door.ask("PUT", f"{FILES}artifacts/1/{OTHER}/artifacts/a", b"x", token="from-before")[0] == 200
    door.tickets.void("l-a1")
    assert (update(OWN), update(OTHER)) == (200, 403)
    door.tickets.void("k-a1")
    assert update(OWN) == 401


def version_of(door, name, grant):
    """Ask for a version of ``name`` by a ticket of ``grant``, and for the model; return status and text of both."""
    token = door.tickets.issue(grant)
    fields = {"name": name, "source": f"runs:/{CHILD}/model", "run_id": CHILD}
    return [
        door.call("POST", "registered-models/create", {"name": name}, token=token),
        door.call("POST", "model-versions/create", fields, token=token),
    ]


def statuses(door, name, grant):
    return [status for status, _ in version_of(door, name, grant)]


def tag(folder, key, value, run):
    with closing(sqlite3.connect(folder / "mlflow.db")) as store, store:
        store.execute("INSERT INTO tags VALUES (?, ?, ?)", (key, value, run))


def test_a_job_registers_under_no_name_that_people_approve_versions_of(tmp_path):
    door = Door(tmp_path)
    plain = Grant(OWN, "j-a1", job="try-a-repository", governed=("digits", "fraud"))
    for status, text in version_of(door, "fraud", plain):
        assert (status, 'mlflow: {models: ["fraud"]}' in text, "try-a-repository" in text) == (403, True, True)
    assert statuses(door, "bad", plain) == [200, 200], "a model that no policy is about"
    assert statuses(door, "new", plain) == [200, 200]
    assert statuses(door, "fraud", Grant(OWN, "j-a1", job="train-2")) == [200, 200], "no policy: no hours are lost"
    assert statuses(door, "fraud", Grant(OWN, "k-a1")) == [200, 200], "a ticket of an earlier version goes on"


@pytest.mark.parametrize("runs_below", [False, True])
def test_the_same_training_goes_on_under_the_name_that_it_had(tmp_path, runs_below):
    door = Door(tmp_path)
    training = Grant(OWN, "j-a1", job="train-fraud", governed=("fraud",))
    if runs_below:
        tag(tmp_path, "mlflow.parentRunId", "f" * 32, OTHER)
    tag(tmp_path, "mlops_desk.job_name", "train-fraud", "f" * 32 if runs_below else OTHER)
    assert statuses(door, "fraud", training) == [200, 200]
    assert statuses(door, "fraud", Grant(OWN, "k-a1", job="train-fraud-2", governed=("fraud",))) == [403, 403]


def test_a_training_of_an_earlier_version_is_known_by_the_name_of_its_run_and_no_other_run_is(tmp_path):
    door = Door(tmp_path)
    training = Grant(OWN, "j-a1", job="train-fraud", governed=("fraud",))
    tag(tmp_path, "mlflow.runName", "train-fraud", OTHER)
    assert statuses(door, "fraud", training) == [403, 403], "it is no job's"
    tag(tmp_path, "mlops_desk.job", "0a1b", OTHER)
    assert statuses(door, "fraud", training) == [200, 200]


@pytest.mark.slow
def test_the_file_of_a_repository_opens_no_model_that_people_approve_versions_of(tmp_path):
    door = Door(tmp_path)
    stage = Grant(OWN, "j-a1", job="/repo ci/train", models=("fraud", "new"), governed=("fraud",), is_strangers=True)
    for status, text in version_of(door, "fraud", stage):
        assert (status, "this repository's pipeline" in text) == (403, True)
        assert f"mlops-desk models register fraud {OWN}" in text
    assert statuses(door, "new", stage) == [200, 200], "no policy is about it"
    assert statuses(door, "bad", stage) == [403, 403], "its file does not name it"
    tag(tmp_path, "mlops_desk.job_name", "/other ci/train", OTHER)
    assert statuses(door, "fraud", stage) == [403, 403], "a pipeline of the same name in another repository"
    tag(tmp_path, "mlops_desk.job_name", "/repo ci/train", OTHER)
    assert statuses(door, "fraud", stage) == [200, 200], "a person has registered one of its"


@pytest.mark.slow
def test_a_job_whose_file_names_models_registers_those_and_no_others(tmp_path):
    door = Door(tmp_path)
    named = Grant(OWN, "j-a1", job="any", models=("fraud", "new"))
    assert statuses(door, "fraud", named) == [200, 200]
    assert statuses(door, "new", named) == [200, 200]
    for status, text in version_of(door, "bad", named):
        assert (status, "mlflow.models" in text) == (403, True)
    assert statuses(door, "bad", Grant(OWN, "k-a1", job="any", models=())) == [403, 403], "none at all"
