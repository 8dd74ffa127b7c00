"""Compose files and MLprojects: each service and each entry point becomes a job file, with what was lost."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_desk.jobs.file.spec import parse_spec
from mlops_desk.jobs.imports.compose_keys import KEYS
from mlops_desk.jobs.imports.importer import read_import
from mlops_desk.jobs.records.spec import Build, MlflowSpec, Mount, Resources, Source
from mlops_desk.kit.base.errors import Invalid

COMPOSE = """
version: "3.8"
x-anything: {a: 1}
services:
  train:
    image: "repo/img:${TAG:-2.7}"
    command: python train.py --lr "0.1 0.2"
    environment: [A=1, HOST_TOKEN, NVIDIA_VISIBLE_DEVICES=all]
    depends_on: {prepare: {condition: service_completed_successfully}, db: {condition: service_healthy}}
    volumes:
      - ./data:/data:ro
      - models:/models
      - {type: bind, source: /srv/x, target: /x, read_only: true}
      - {type: volume, source: models, target: /y}
    ports: ["8888:8888", {target: 80, published: "8080"}]
    shm_size: 8gb
    secrets: [wandb, {source: hf, target: h}]
    network_mode: host
    privileged: true
    tty: false
    restart: unless-stopped
    stop_grace_period: 1m30s
    develop: {watch: []}
    deploy:
      replicas: 3
      resources:
        limits: {cpus: "2", memory: 4G}
        reservations: {memory: 2G, devices: [{driver: nvidia, count: 2, capabilities: [gpu]}]}
  db: {image: postgres}
  prepare:
    build: {context: prep, dockerfile: D, args: {A: b}}
    entrypoint: [python]
    command: [prepare.py, $$HOME]
    environment: {B: 2, C: }
volumes: {models: {}}
"""


def read(text, only=None):
    return read_import(text, None, only, "/home/ada/w", "/home/ada")


def spec_of(text, only=None):
    return parse_spec(read(text, only).jobs[0].spec, "/home/ada/w")


def test_each_service_is_a_job_those_first_that_others_wait_for():
    found = read(COMPOSE)
    assert found.kind == "compose"
    assert [job.name for job in found.jobs] == ["db", "prepare", "train"]


def test_what_a_service_says():
    spec = spec_of(COMPOSE, "train")
    assert spec.image == "repo/img:2.7"
    assert spec.command == ("python", "train.py", "--lr", "0.1 0.2")
    assert spec.env == {"A": "1"}
    assert spec.mounts == (Mount("/home/ada/w/data", "/data", "ro"), Mount("/srv/x", "/x", "ro"))
    assert spec.ports == (8888, 80)
    assert spec.secrets == ("wandb", "hf")
    assert spec.resources == Resources(gpus=2, cpus=2.0, memory_bytes=4 << 30, shm_bytes=8 << 30)
    assert spec.after_success == ("prepare",)
    assert spec.grace_seconds == 90.0


def test_what_was_lost_of_it_is_told_by_name_and_why():
    notes = read(COMPOSE, "train").jobs[0].notes
    told = [(note.option.removeprefix("services.train."), note.value) for note in notes if note.lost]
    assert told == [
        ("environment", "HOST_TOKEN"),
        ("depends_on", "db"),
        ("volumes", "models:/models"),
        ("volumes", "type=volume, source=models, target=/y"),
        ("network_mode", "host"),
        ("privileged", ""),
        ("restart", "unless-stopped"),
        ("develop", "watch: "),
        ("deploy.resources.reservations.memory", "2G"),
        ("deploy.replicas", "3"),
        ("volumes", ""),
    ]
    assert all(note.why for note in notes)


def test_an_image_to_build_an_entry_point_and_values_of_the_shell():
    spec = spec_of(COMPOSE, "prepare")
    assert spec.build == Build("/home/ada/w/prep", "D")
    assert spec.command == ("python", "prepare.py", "$HOME")
    assert spec.env == {"B": "2"}
    told = [(note.option, note.value) for note in read(COMPOSE, "prepare").jobs[0].notes if note.lost]
    assert told == [
        ("services.prepare.build.args", "A: b"), ("services.prepare.environment", "C"), ("volumes", "")
    ]  # fmt: skip


@pytest.mark.parametrize("key", sorted(KEYS))
@pytest.mark.parametrize("value", ["x", "", "[x]", "{a: b}", "[{a: b}]", "true", "[[x]]", "12", "{a: [x]}"])
def test_each_key_takes_what_it_should_not_have_without_a_fall(key, value):
    try:
        found = read(
            f"services: {{a: {{image: img, {key}: {value}}}}}".replace(
                f"image: img, {key}", key if key == "image" else f"image: img, {key}"
            )
        )
    except Invalid as error:
        assert error.message  # noqa: PT017 - either outcome is right; anything else raised fails the test
        return
    parse_spec(found.jobs[0].spec, "/")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: {a: {image: x, depends_on: [b]}, b: {image: y, depends_on: [a]}}", "The services a, b wait for one another."),
        ("services: {}", "This Compose file has no services."),
        ("services: [a]", "This Compose file has no services."),
        ("services: {a: x}", "services.a is no table."),
        ("services: {a: {command: x}}", "a makes no job: image is missing."),
        ("x: &a {b: 1}\nservices: {a: *a}", "Line 1, column 4: anchors and aliases (& and *) are not allowed."),
        ("a: 1", "This is neither a Compose file nor an MLproject."),
        ("[a]", "This is neither a Compose file nor an MLproject."),
        ("", "Nothing to import is given."),
        ("[" * 20, "Line 1, column 13: nested deeper than 12 levels."),
        ("x" * 70_000, "The file is larger than 64 KiB."),
    ],
)  # fmt: skip
def test_what_is_no_compose_file_is_refused_in_words(text, message):
    with pytest.raises(Invalid) as caught:
        read(text)
    assert caught.value.message == message


def test_a_service_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(Invalid, match="nothing called 'trian'") as caught:
        read(COMPOSE, "trian")
    assert caught.value.hint == "There are: db, prepare, train."


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "a=b", "/a:/b", "${A:-b}", "1g", "gpu", "\u202e", "8:9"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "devices", "resources", "reservations", "limits", "count"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(["a", "b"]), st.dictionaries(st.sampled_from(sorted(KEYS)), _ANY, max_size=5), max_size=2
    )
)
@settings(deadline=None, max_examples=150)
def test_whatever_stands_in_a_compose_file_becomes_job_files_or_an_error_in_words(services):
    try:
        found = read(json.dumps({"services": services}))
    except Invalid as error:
        assert error.message  # noqa: PT017 - either outcome is right; anything else raised fails the test
        return
    for job in found.jobs:
        parse_spec(job.spec, "/")


MLPROJECT = """
name: wine
python_env: env.yaml
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
      data: {type: path, default: /d.csv}
      l1_ratio: float
    command: "python train.py -r {l1_ratio} {alpha} {data}"
  test: {command: pytest}
"""


def test_what_was_printed_means_the_same_folders_wherever_it_is_saved():
    (job,) = [one for one in read(MLPROJECT).jobs if one.name == "wine"]
    assert parse_spec(job.spec, "/elsewhere").source == Source(folder="/home/ada/w")
    (built,) = read("services: {a: {build: {context: ./prep}, command: [x]}}\n").jobs
    assert parse_spec(built.spec, "/elsewhere").build == Build("/home/ada/w/prep")


def test_an_mlproject_becomes_a_job_for_each_entry_point():
    found = read(MLPROJECT)
    assert (found.kind, [job.name for job in found.jobs]) == ("mlproject", ["wine", "wine test"])
    spec = spec_of(MLPROJECT, "wine")
    assert spec.command == ("sh", "-c", "python train.py -r {l1_ratio} {alpha} {data}")
    assert spec.params == {"alpha": "0.5", "data": "/d.csv", "l1_ratio": ""}
    assert (spec.source, spec.mlflow) == (Source(folder="/home/ada/w"), MlflowSpec("wine"))
    told = [(note.option, note.lost) for note in found.jobs[0].notes]
    assert told == [
        ("image", False),
        ("python_env", True),
        ("entry_points.main.data", False),
        ("entry_points.main.l1_ratio", False),
        ("MLproject", False),
    ]


def test_an_mlproject_with_an_image_of_its_own():
    text = "entry_points: {main: {command: x}}\ndocker_env: {image: img, volumes: [/a:/b], environment: [[A, '1'], B]}"
    spec = spec_of(text)
    assert (spec.name, spec.image, spec.mounts, spec.env) == (
        "mlproject",
        "img",
        (Mount("/a", "/b", "rw"),),
        {"A": "1"},
    )


@pytest.mark.parametrize(
    "text", ["entry_points: {}", "entry_points: {main: {}}", "entry_points: {main: x}", "entry_points: x"]
)
def test_an_mlproject_without_a_command_is_refused(text):
    with pytest.raises(Invalid):
        read(text)
