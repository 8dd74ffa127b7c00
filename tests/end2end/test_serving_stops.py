"""Containers of endpoints end when they are told, each kind of image: no stop of one waits for the engine's KILL.

What is counted are the signals that the engine had to send. How long it took is printed, and measured by
``tests/bench/serving_images.py``.
"""

import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from mlops_desk.serving import deploy_options
from mlops_desk.serving.records.endpoint import EndpointState
from tests import endings
from tests.end2end.test_serving_anyimage import COMMAND
from tests.end2end.test_serving_engine import House, ask
from tests.images import busybox_image, python_image
from tests.scoring import odd_model

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
OURS = ("training", "build", "machine")
WORD = {"dataframe_split": {"columns": ["do"], "data": [["a"]]}}
LONG = {"dataframe_split": {"columns": ["do"], "data": [["sleep25"]]}}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, serving: dict[str, str], training_image: str) -> Iterator[House]:
    root = tmp_path_factory.mktemp("stops")
    built = House(root / "house", serving, odd_model(root / "model", WORD))
    built.trained_in(training_image)
    yield built
    built.end_with_images()


@pytest.mark.parametrize("runtime", OURS)
@pytest.mark.parametrize("busy", [False, True])
def test_one_of_a_version_ends_by_itself_whatever_its_model_is_at(house: House, runtime: str, *, busy: bool) -> None:
    endpoint = house.service.deploy("bodies", runtime, runtime=runtime)
    assert (endpoint.state, endpoint.runtime) == (EndpointState.LIVE, runtime), endpoint.reason
    caller = threading.Thread(target=lambda: ask(endpoint, LONG))
    if busy:
        caller.start()
        deadline = time.monotonic() + 240
        while not house.service._switchboard.is_answering(endpoint.replicas):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    ending = endings.stopped(endpoint.replicas[0].container)
    print(f"{runtime}, busy {busy}: {ending}")
    assert (ending.signals, ending.code) == ([endings.TERM], 0)
    if busy:
        caller.join()
    house.service.remove(runtime)


@pytest.mark.parametrize("command", [COMMAND, ["sh", "-c", f"python3 -c '{COMMAND[2]}' & wait"]])
def test_an_image_that_has_never_heard_of_signals_ends_with_its_relay(house: House, command: list[str]) -> None:
    """As the first process of a container Python ignores TERM; a shell that waits does not hand it on."""
    made = house.service.deploy("", "own", image=python_image(), port=8000, health="/healthz", command=command)
    assert made.state is EndpointState.LIVE, made.reason
    relay = made.replicas[0].container
    for container in (deploy_options.beside(relay), relay):
        ending = endings.stopped(container)
        print(f"{container}: {ending}")
        assert ending.signals == [endings.TERM]
        assert ending.code in {0, 128 + endings.TERM}
    house.service.remove("own")


def test_stop_itself_kills_nobody(house: House) -> None:
    house.service.deploy("bodies", "told", runtime="training")
    container = house.service.show("told").replicas[0].container
    began = time.time()
    house.service.stop("told")
    assert house.service.show("told").state is EndpointState.STOPPED
    deadline = time.monotonic() + 240
    while is_there(container):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert signals(container, began) == [str(endings.TERM)]
    house.service.remove("told")


def is_there(container: str) -> bool:
    return subprocess.run(["docker", "inspect", container], check=False, capture_output=True).returncode == 0


def signals(container: str, began: float) -> list[str]:
    span = ["--since", f"{began:.6f}", "--until", f"{time.time():.6f}"]
    shown = ["--filter", "event=kill", "--filter", f"container={container}", "--format", "{{.Actor.Attributes.signal}}"]
    command = ["docker", "events", *span, *shown]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout.split()


def test_one_that_ignores_the_signal_is_seen_by_this_very_look() -> None:
    name = "mlops-desk-test-stubborn"
    subprocess.run(["docker", "rm", "-f", name], check=False, capture_output=True)
    loop = "trap '' TERM; while true; do sleep 1; done"
    subprocess.run(["docker", "run", "-d", "--name", name, busybox_image(), "sh", "-c", loop], check=True)
    try:
        ending = endings.stopped(name, grace_seconds=1)
        assert (ending.signals, ending.code) == ([endings.TERM, endings.KILL], 128 + endings.KILL)
    finally:
        subprocess.run(["docker", "rm", "-f", name], check=False, capture_output=True)
