"""No location outside the server's own store is taken in, by whatever spelling and by whomever it comes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.registry.location import NamedSource, is_plain_path, is_stored, named_by
from tests.unit.registry.guard_rig import OTHER, OUTSIDE, OUTSIDE_MODEL, OWN, OWN_MODEL, OWNER, Door


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    return Door(tmp_path_factory.mktemp("store"))


OUTSIDE_PLACES = [
    "file:///etc", "file:/etc", "file:etc", "FILE:///etc", "/etc", "etc", ".", "..", "~", "file://localhost/etc",
    "file:///etc%00", "file:///%65tc", "mlflow-artifacts:/../etc", "mlflow-artifacts:/a/../../etc",
    "mlflow-artifacts:/%2e%2e/etc", "mlflow-artifacts:/%252e%252e/etc", "mlflow-artifacts:/%25252e%25252e/etc",
    "mlflow-artifacts:/a/..%2fb", "mlflow-artifacts:/a\\..\\b", "mlflow-artifacts:/a%5c..%5cb", "mlflow-artifacts:/a/./b",
    "mlflow-artifacts:/a\x00", "mlflow-artifacts:/a%00", "mlflow-artifacts:/a\n", "mlflow-artifacts:/a?b", "mlflow-artifacts:/a#b",
    "mlflow-artifacts:/a%3fb", "mlflow-artifacts:/a;b", "mlflow-artifacts:etc", "mlflow-artifacts://host/a",
    "mlflow-artifacts:///etc", "mlflow-artifacts://127.0.0.1:5000/a", "MLFLOW-ARTIFACTS:/a", " mlflow-artifacts:/a",
    "http://127.0.0.1:5000/api/2.0/mlflow-artifacts/artifacts/a", "https://h/a", "ftp://h/a", "sftp://h/a", "s3://b/a",
    "gs://b/a", "hdfs://h/a", "viewfs:/a", "dbfs:/a", "wasbs://c@a/b", "abfss://c@a/b", "r2://b@a/c", "b2://b/a",
    "mlflow-artifacts:/" + "a" * 3000,
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("place", OUTSIDE_PLACES)
@pytest.mark.parametrize(
    "prefix", ["/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/", "/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/"]
)
def test_no_place_outside_is_taken_in_not_even_from_a_person(door, place, prefix):
    reached = len(door.reached)
    for fields in (
        {"name": "x", "artifact_location": place},
        {"name": "x", "artifactLocation": place},
        {"name": "x", "tags": [{"key": "mlflow.artifactLocation", "value": place}]},
    ):
        status, text = door.call("POST", "experiments/create", fields, token=OWNER, prefix=prefix)
        assert (status, "not in this server's own store" in text) == (403, True)
    for fields in ({}, {"run_id": OWN}, {"model_id": OWN_MODEL}):
        version = {"name": "churn", "source": place, **fields}
        assert door.call("POST", "model-versions/create", version, token=OWNER, prefix=prefix)[0] == 403
    trace = {"trace": {"trace_info": {"tags": {"mlflow.artifactLocation": place}}}}
    assert door.call("POST", "traces", trace, token=OWNER, prefix=prefix)[0] == 403
    tag = {"key": "mlflow.artifactLocation", "value": place}
    assert door.call("PATCH", "traces/tr-1/tags", tag, token=OWNER, prefix=prefix)[0] == 403
    assert len(door.reached) == reached
    assert not is_stored(place)


@pytest.mark.parametrize(
    "source",
    [
        f"runs:/{OUTSIDE}/model", f"models:/{OUTSIDE_MODEL}", "models:/bad/1", "models:/bad@champion", "models:/bad/latest",
        "models:/loop/1", "models:/none/1", "models:/m-none", "runs:/none/model", f"runs:/{OWN}/../x", f"runs://{OWN}/x",
        f"runs:/{OWN}/%2e%2e/x", "models:/churn/../1", "models://churn/1", "", "dummy-source",
    ],
)  # fmt: skip
def test_a_source_that_leads_outside_by_way_of_something_else_is_none_either(door, source):
    fields = {"name": "churn", "source": source, "run_id": OWN}
    assert door.call("POST", "model-versions/create", fields, token=OWNER)[0] == 403


@pytest.mark.parametrize("named", [{"run_id": OUTSIDE}, {"runId": OUTSIDE}, {"model_id": OUTSIDE_MODEL}])
def test_nor_is_one_inside_that_is_said_to_come_from_a_run_outside(door, named):
    fields = {"name": "churn", "source": f"mlflow-artifacts:/1/{OWN}/artifacts/model", **named}
    assert door.call("POST", "model-versions/create", fields, token=OWNER)[0] == 403


@pytest.mark.parametrize(
    "source",
    [
        f"runs:/{OTHER}/model", f"mlflow-artifacts:/1/{OTHER}/artifacts/my model", f"models:/{OWN_MODEL}", "models:/churn/1",
        "models:/churn@champion", "models:/churn/latest",
    ],
)  # fmt: skip
def test_a_person_registers_what_lies_in_the_store(door, source):
    assert door.call("POST", "model-versions/create", {"name": "churn", "source": source}, token=OWNER)[0] == 200


def test_a_prompt_has_no_files(door):
    prompt = {"name": "p", "source": "dummy-source", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]}
    assert door.call("POST", "model-versions/create", prompt, token=OWNER)[0] == 200
    assert door.call("POST", "model-versions/create", {**prompt, "source": "/etc"}, token=OWNER)[0] == 403


def test_nothing_new_is_put_into_an_experiment_whose_files_lie_outside(door):
    for call in ("runs/create", "logged-models"):
        assert door.call("POST", call, {"experiment_id": "2"}, token=OWNER)[0] == 403
        assert door.call("POST", call, {"experimentId": "2"}, token=OWNER)[0] == 403
        assert door.call("POST", call, {"experiment_id": "1"}, token=OWNER)[0] == 200


def test_parameters_and_metrics_may_be_named_as_they_like(door):
    params = [{"key": "artifact_location", "value": "s3://somewhere"}, {"key": "artifact_uri", "value": "/data"}]
    assert door.call("POST", "runs/log-batch", {"run_id": OWN, "params": params})[0] == 200


@given(st.lists(st.sampled_from(["..", "a", "/", "%2e", "%2f", "%25", "2e", "\\", "%5c", ".", "%"]), max_size=12))
@example(["%25", "2e", "%25", "2e", "/", "a"])
@example(["a", "%2f", "..", "%2f", ".."])
def test_a_path_that_is_called_plain_never_steps_up_however_it_is_decoded(parts):
    from urllib.parse import unquote

    path = "".join(parts)
    if is_plain_path(path):
        for _ in range(20):
            assert ".." not in path.split("/")
            assert "\\" not in path
            path = unquote(path)


def test_what_a_source_refers_to():
    assert named_by("runs:/abc/model/deep") == NamedSource(run_id="abc")
    assert named_by("models:/m-12") == NamedSource(model_id="m-12")
    assert named_by("models:/churn/12") == NamedSource(name="churn", version="12")
    assert named_by("models:/churn@champion") == NamedSource(name="churn")
    assert named_by("models:/churn/Production") == NamedSource(name="churn")
    assert named_by("models:/a/b/c") is None
    assert named_by("mlflow-artifacts:/1") is None
