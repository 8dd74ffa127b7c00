"""A base image of this machine's own Python, made where no registry answers, and a model served on it."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.serving.image import machine
from mlops_desk.serving.records.endpoint import EndpointState
from tests.end2end.test_serving_engine import TRAIN, House, ask, saved

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
NOWHERE = "registry.invalid/python:3.12"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, serving: dict[str, str]) -> Iterator[House]:
    model = saved(TRAIN, tmp_path_factory.mktemp("trained") / "model")
    built = House(tmp_path_factory.mktemp("house"), {**serving, "serving.base_image": NOWHERE}, model)
    yield built
    built.end_with_images()


def test_where_no_registry_answers_this_machines_own_python_is_the_base(house: House) -> None:
    endpoint = house.service.deploy("bodies", "front")
    assert (endpoint.state, endpoint.runtime) == (EndpointState.LIVE, "machine"), endpoint.reason
    told = [step.text for step in endpoint.steps if step.name == "runtime"]
    assert f"The base image {NOWHERE} is not at the engine" in told[1]
    assert "mlops-desk settings set serving.base_image IMAGE" in told[1]
    answer = ask(endpoint, {"dataframe_records": [{"height.cm": 190.0, "weight": 40.0}]})
    assert answer.json() == {"predictions": [1]}


def test_what_its_container_takes_is_counted_by_the_kernel(house: House) -> None:
    endpoint = house.service.deploy("bodies", "front")
    house.service._watch.look()
    container = endpoint.replicas[0].container
    usage = house.service._meters._usage
    usage.of([container])
    time.sleep(1.2)  # of a shorter span nothing is told
    for _ in range(20):
        ask(endpoint, {"dataframe_records": [{"height.cm": 190.0, "weight": 40.0}]})
    found = usage.of([container])[container]
    assert found.memory_bytes is not None
    assert 16 << 20 < found.memory_bytes < 4 << 30
    assert found.cpus is not None
    assert 0 < found.cpus < 64
    assert found.gpu_memory_bytes is None
    house.service._switchboard.poll()
    shown = house.service.show("front")
    assert shown.example is not None
    assert ask(shown, shown.example).status_code == 200


def test_a_base_that_was_asked_for_and_is_nowhere_is_named_with_what_to_set(house: House) -> None:
    endpoint = house.service.deploy("bodies", "second", runtime="build")
    assert endpoint.state is EndpointState.FAILED
    assert endpoint.reason is not None
    assert endpoint.reason.class_ == "base_missing"
    assert NOWHERE in endpoint.reason.text
    assert "serving.base_image" in (endpoint.reason.hint or "")


def test_any_user_runs_the_base_with_what_programs_need(house: House, tmp_path: Path) -> None:
    engine = house.engine
    tag = machine.base(engine, house.folder.instance, tmp_path, 300)
    assert machine.base(engine, house.folder.instance, tmp_path, 300) == tag
    code = (
        "import json, os, sys, ssl, sqlite3, ctypes, zlib, lzma, bz2, hashlib, multiprocessing, socket, pip, subprocess;"
        "print(json.dumps([os.getuid(), sys.version, subprocess.run(['sh', '-c', 'exit 7']).returncode]))"
    )
    name = f"mlops-desk-{house.folder.instance}-base"
    engine.create(ContainerSpec(name, tag, ("-c", code), entrypoint=("python3",), user="12345:12345", network="none"))
    try:
        engine.start(name)
        said = list(engine.logs(name, follow=True))
    finally:
        engine.remove(name)
    assert json.loads(said[-1]) == [12345, sys.version, 7], said
