"""Endpoints from deploy to remove, on the fake engine: what lives, what answers, what is left."""

import json
import math
import os
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable
from mlops_desk.machine.records.event import EndpointChanged, EndpointRemoved, Notice
from mlops_desk.serving import deploy_options
from mlops_desk.serving.gateway.process_control import read_state
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from tests.end2end.endpoint_house import House, ask, open_house
from tests.permission import ask_as
from tests.serving_upstream import upstream

pytestmark = pytest.mark.end2end


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        yield built


def test_the_container_is_hardened_nameless_and_reaches_nothing(house: House) -> None:
    specs: list[ContainerSpec] = []
    create = house.engine.create
    house.engine.create = lambda spec: (specs.append(spec), create(spec))[1]
    house.replica(1)
    house.service.deploy("digits", "front")
    (spec,) = specs
    assert spec.network == "none"
    assert [(mount.target, mount.mode) for mount in spec.own_mounts] == [("/model", "ro"), ("/mlops-desk", "ro")]
    assert spec.user not in {None, "0:0", "root"}
    assert spec.memory_bytes is not None
    assert 0 < spec.memory_bytes <= 4 << 30
    assert spec.gpus == ()
    assert house.folder.instance in spec.name


def test_without_waiting_the_answer_comes_at_once(house: House) -> None:
    endpoint = house.service.deploy("digits/2", "front", wait=False)
    assert endpoint.state in {EndpointState.BUILDING, EndpointState.STARTING}
    with pytest.raises(Refused, match="being deployed"):
        house.service.deploy("digits/2", "front")
    house.replica(1)
    assert house.look_until(lambda found: found.state is EndpointState.LIVE).model.version == "2"


def test_words_that_mean_nothing_leave_nothing_behind(house: House) -> None:
    for model, name, error in (
        ("digits@", "front", Invalid),
        ("digits", "Front/", Invalid),
        ("other", "front", NotFound),
    ):
        with pytest.raises(error):
            house.service.deploy(model, name)
    house.engine.absent = True
    with pytest.raises(Unavailable):
        house.service.deploy("digits", "front")
    assert house.service.list() == []
    with pytest.raises(NotFound):
        house.service.show("front")
    house.engine.absent = False
    house.replica(1)
    assert house.service.deploy("digits", "front").state is EndpointState.LIVE


def in_a_training_image(house: House) -> str:
    """Let the version be one that a job has trained in an image of its own; return the image's id."""
    house.engine.add_image("train:1")
    house.trained = (house.engine.image("train:1").id, "job-7")
    house.engine.build_error = "nothing is to be built"
    return house.trained[0]


def test_a_version_is_served_from_the_image_that_it_was_trained_in_and_leaves_it_alone(house: House) -> None:
    image = in_a_training_image(house)
    house.replica(1, "cat")
    endpoint = house.service.deploy("digits", "front")
    assert (endpoint.state, endpoint.runtime, endpoint.image) == (EndpointState.LIVE, "training", image), endpoint
    assert house.engine._containers[endpoint.replicas[0].container].spec.image == image
    assert [step.name for step in endpoint.steps] == ["resolve", "fetch", "runtime", "fit", "start", "probe", "route"]
    assert all(step.seconds is not None for step in endpoint.steps)
    assert "the image of job job-7" in endpoint.steps[2].text
    house.service.remove("front")
    assert house.engine.image("train:1").id == image, "it is its person's own"


def test_a_training_image_that_cannot_serve_gives_way_to_one_that_is_built(house: House) -> None:
    in_a_training_image(house)
    house.engine.build_error = None
    lives = iter((ScriptedProgram(0.0, ("ModuleNotFoundError: mlflow",), exit_code=1), ScriptedProgram(math.inf)))
    house.engine.programs[""] = lambda spec: next(lives)
    house.replica(2, "cat")
    endpoint = house.service.deploy("digits", "front")
    assert (endpoint.state, endpoint.runtime) == (EndpointState.LIVE, "build"), endpoint
    assert [step.name for step in endpoint.steps].count("runtime") == 2
    house.engine.programs[""] = ScriptedProgram(0.0, ("ModuleNotFoundError: mlflow",), exit_code=1)
    endpoint = house.service.deploy("digits", "front", runtime="training")
    assert endpoint.runtime == "build", "what was asked for is not replaced: the one before goes on"
    assert (endpoint.reason and endpoint.reason.class_) == "container_died"


def test_an_answer_that_is_not_what_it_was_is_noticed_and_said(house: House) -> None:
    first = house.replica(1, "cat")
    house.service.deploy("digits", "front")
    asked = len(first.bodies)
    first.word = "dog"

    def look(state: EndpointState) -> Endpoint:
        deadline = time.monotonic() + 240
        while (found := house.service.show("front")).state is not state:
            assert time.monotonic() < deadline, found
            house.service._watch._looks = 29  # the next look is one of those that ask
            house.service._watch.look()
            time.sleep(0.1)
        return found

    second = house.replica(2, "dog")
    house.replica(3, "dog")
    found = look(EndpointState.UNHEALTHY)
    assert len(first.bodies) >= asked + 2, "once may be a caller's heat"
    assert found.reason is not None
    assert found.reason.class_ == "answer_differs"
    assert "answer.predictions[0] was 'cat' and is 'dog'" in found.reason.text
    deadline = time.monotonic() + 240
    while not second.bodies:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert house.service.show("front").state is EndpointState.UNHEALTHY, "started again, it is wrong still"
    house.settings.set("serving.compare_answers", "off")
    house.look_until(lambda one: one.state is EndpointState.LIVE)


def test_a_runtime_that_cannot_be_is_refused_before_anything_is_written(house: House) -> None:
    with pytest.raises(Refused, match="No job of this desk"):
        house.service.deploy("digits", "front", runtime="training")
    with pytest.raises(Invalid, match="is no runtime"):
        house.service.deploy("digits", "front", runtime="conda")
    house.trained = ("sha256:" + "0" * 64, "job-7")
    with pytest.raises(Refused, match="not at the engine any more"):
        house.service.deploy("digits", "front", runtime="training")
    assert house.service.list() == []
    house.replica(1)
    assert house.service.deploy("digits", "front").runtime == "build"


def as_an_older_agent_left_it(house: House, number: int) -> None:
    """Put the container of ``front`` where agents put them before: on a bridge, at an address of its own."""
    endpoint = house.service.show("front")
    container = endpoint.replicas[0].container
    spec = house.engine._containers[container].spec
    house.engine.remove(container)
    network = deploy_options.network_name(house.folder.instance)
    house.engine.create(replace(spec, network=network, own_mounts=spec.own_mounts[:1], entrypoint=None))
    house.engine.start(container)
    (house.folder.endpoints / "front" / "revisions" / "1" / "model.sock").unlink()
    address = f"127.77.1.{number + 1}:{deploy_options.PORT}"
    change = replace(endpoint, load=None, replicas=(replace(endpoint.replicas[0], address=address),))
    house.service._board.put(change)
    house.service._switchboard.gatekeeper.wait_for(house.service._switchboard.route())


def test_what_an_older_agent_started_goes_on_and_loses_its_bridge_when_it_is_started_again(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits", "front")
    assert house.service.check().state == "ok"
    as_an_older_agent_left_it(house, 2)
    with upstream(f"127.77.1.{2 + 1}", deploy_options.PORT, "old") as old:
        house.agent().start()
        for _ in range(5):
            house.service._watch.look()
        endpoint = house.service.show("front")
        assert (endpoint.state, endpoint.replicas[0].address) == (EndpointState.LIVE, old.place)
        assert EndpointState.UNHEALTHY not in house.states()
        assert ask(endpoint).json()["predictions"][0] == "old"
        told = house.service.check()
        assert (told.state, told.text.partition(":")[0]) == ("warning", "front")
        assert told.fix == "mlops-desk endpoints deploy digits/3 --name front"
    house.engine.stop(endpoint.replicas[0].container, 0)
    house.replica(3)
    house.look_until_told(EndpointState.UNHEALTHY)
    house.look_until(lambda found: found.state is EndpointState.LIVE)
    assert house.answer()["predictions"][0] == "yes"
    assert house.service.check().state == "ok"
    assert house.engine._containers[endpoint.replicas[0].container].spec.network == "none"
    deadline = time.monotonic() + 240
    while house.engine._networks:
        assert time.monotonic() < deadline, "the bridge goes when nobody is on it"
        time.sleep(0.02)


def test_a_gateway_that_is_killed_is_back_within_a_second_and_only_what_was_in_flight_fails(house: House) -> None:
    house.replica(1)
    endpoint = house.service.deploy("digits", "front")
    house.loops[-1].repeat("gateway", 0.25, house.service._switchboard.watch)
    house.answer()
    state = read_state(house.folder.endpoints / "_gateway")
    assert state is not None
    os.kill(state.pid, signal.SIGKILL)
    assert [ask(endpoint).status_code for _ in range(20)] == [200] * 20
    assert read_state(house.folder.endpoints / "_gateway") != state


def is_refused(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) != 0


def test_a_gateway_that_is_gone_is_left_alone_where_nobody_needs_it(house: House) -> None:
    house.replica(1)
    endpoint = house.service.deploy("digits", "front")
    state = read_state(house.folder.endpoints / "_gateway")
    assert state is not None
    house.service.stop("front")
    os.kill(state.pid, signal.SIGKILL)
    house.wait(lambda: not state.is_alive)
    house.service._switchboard.watch()
    house.wait(lambda: is_refused(state.port))  # threads of the killed one hold it for some milliseconds more
    with pytest.raises(httpx.ConnectError):
        ask(endpoint)
    assert read_state(house.folder.endpoints / "_gateway") == state


def test_a_gateway_of_an_older_version_is_replaced_before_it_is_asked_to_route(house: House) -> None:
    house.replica(1)
    endpoint = house.service.deploy("digits", "front")
    path = house.folder.endpoints / "_gateway" / "state.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({**known, "version": known["version"].partition("/")[0]}))
    house.service._switchboard.poll()
    assert json.loads(path.read_text())["pid"] != known["pid"]
    assert house.service.show("front").url == endpoint.url
    assert house.answer()["predictions"] == ["yes", "yes"]


def test_a_build_that_fails_says_why_and_shows_its_output(house: House) -> None:
    house.engine.build_error = "No matching distribution found for scikit-learn==1.9.1"
    endpoint = house.service.deploy("digits", "front")
    assert endpoint.state is EndpointState.FAILED
    assert endpoint.reason is not None
    assert endpoint.reason.class_ == "build_failed"
    assert "No matching distribution" in (endpoint.reason.evidence or "")
    assert any("No matching distribution" in line for line in house.service.logs("front"))
    assert ask(endpoint).status_code == 503


def test_the_build_of_a_revision_is_read_while_another_one_answers(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front")
    house.engine.programs[""] = ScriptedProgram(0.0, ("ModuleNotFoundError: skops",), exit_code=1)
    failed = house.service.deploy("digits/2", "front", runtime="build")
    assert (failed.state, failed.revision) == ("live", 1)
    build = list(house.service.logs("front", build=True))
    assert "was there already" in build[0], "what the build has written comes first"
    assert any("skops" in line for line in build[1:]), "and then why it did not go live"
    assert len(set(build)) == len(build), "what is the cause is not told twice"
    assert not any("skops" in line for line in house.service.logs("front"))
    assert list(house.service.logs("front", tail=1, build=True)) == build[-1:]


def test_a_model_that_dies_or_fails_its_own_example_does_not_go_live(house: House) -> None:
    house.engine.programs[""] = ScriptedProgram(0.0, ("Traceback", "ModuleNotFoundError: skops"), exit_code=1)
    endpoint = house.service.deploy("digits", "front")
    assert (endpoint.state, endpoint.reason and endpoint.reason.class_) == (EndpointState.FAILED, "container_died")
    assert endpoint.reason is not None
    assert "skops" in (endpoint.reason.evidence or "")
    house.engine.programs[""] = ScriptedProgram(math.inf)
    house.replica(2).status = 400
    endpoint = house.service.deploy("digits", "front")
    assert (endpoint.state, endpoint.reason and endpoint.reason.class_) == (EndpointState.FAILED, "example_failed")
    assert house.containers() == []


def test_a_new_revision_takes_over_only_when_it_is_well(house: House) -> None:
    house.replica(1, "old")
    house.service.deploy("digits/1", "front")
    bad = house.replica(2, "bad")
    bad.status = 500
    endpoint = house.service.deploy("digits/2", "front")
    assert (endpoint.state, endpoint.revision, endpoint.model.version) == (EndpointState.LIVE, 1, "1")
    assert endpoint.reason is not None
    assert ask(endpoint).json()["predictions"][0] == "old"
    house.replica(3, "new")
    endpoint = house.service.deploy("digits/3", "front")
    assert (endpoint.state, endpoint.revision, endpoint.reason) == (EndpointState.LIVE, 3, None)
    answer = ask(endpoint)
    assert (answer.json()["predictions"][0], answer.headers["x-mlops-desk-revision"]) == ("new", "3")
    house.wait(lambda: house.containers() == [deploy_options.container_name(house.folder.instance, "front", 3)])
    house.wait(lambda: [one.state for one in house.service.show("front").revisions] == ["retired", "failed", "live"])
    assert [one.is_kept for one in house.service.show("front").revisions] == [True, False, True]


def test_a_container_that_died_is_named_and_started_again(house: House) -> None:
    house.replica(1)
    endpoint = house.service.deploy("digits", "front")
    house.engine.stop(endpoint.replicas[0].container, 0)
    house.service._watch.look()
    down = [event.endpoint for event in house.events if isinstance(event, EndpointChanged)][-1]
    assert down.state is EndpointState.UNHEALTHY
    assert down.reason is not None
    assert (down.reason.class_, down.reason.evidence) == ("container_died", "loading")
    assert ask(down).status_code == 503
    house.replica(2)
    up = house.look_until(lambda found: found.state is EndpointState.LIVE)
    assert up.reason is None
    assert house.answer()["predictions"][0] == "yes"


def test_an_engine_that_is_away_is_no_reason_to_call_an_endpoint_dead(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits", "front")
    house.engine.absent = True
    for _ in range(5):
        house.service._watch.look()
    assert house.service.show("front").state is EndpointState.LIVE
    assert ask(house.service.show("front")).status_code == 200


def test_a_model_that_hangs_is_started_again(house: House) -> None:
    first = house.replica(1)
    house.service.deploy("digits", "front")
    first.well = False
    house.service._watch.look()
    assert house.service.show("front").state is EndpointState.LIVE
    house.replica(2)
    house.look_until_told(EndpointState.UNHEALTHY)
    house.look_until(lambda found: found.state is EndpointState.LIVE)
    assert house.states() == ["building", "starting", "live", "unhealthy", "live"]
    reasons = [event.endpoint.reason for event in house.events if isinstance(event, EndpointChanged)]
    assert {reason.class_ for reason in reasons if reason} == {"not_answering"}


def test_the_next_agent_adopts_what_runs(house: House) -> None:
    house.replica(1)
    endpoint = house.service.deploy("digits", "front")
    gateway = read_state(house.folder.endpoints / "_gateway")
    house.agent().start()
    assert ask(endpoint).status_code == 200
    house.service._watch.look()
    adopted = house.service.show("front")
    assert (adopted.state, adopted.url, adopted.replicas) == (EndpointState.LIVE, endpoint.url, endpoint.replicas)
    assert house.registry.downloads == 1
    assert read_state(house.folder.endpoints / "_gateway") == gateway


def test_the_next_agent_goes_on_with_a_deployment(house: House) -> None:
    house.service.deploy("digits/2", "front", wait=False)
    deadline = time.monotonic() + 240
    while house.service.show("front").state is not EndpointState.STARTING:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    house.loops[-1].stop(5)
    house.replica(1)
    house.replica(2)
    house.agent().start()
    assert house.look_until(lambda found: found.state is EndpointState.LIVE).model.version == "2"
    assert len(house.containers()) == 1


def test_after_a_restart_of_the_engine_all_is_up_again(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits", "front")
    house.engine.restart()
    house.replica(2)
    house.look_until_told(EndpointState.UNHEALTHY)
    house.look_until(lambda found: found.state is EndpointState.LIVE)
    assert house.answer()["predictions"][0] == "yes"


def test_stop_and_remove_leave_the_log_and_nothing_else(house: House) -> None:
    house.replica(1)
    endpoint = house.service.deploy("digits", "front")
    ask(endpoint)
    assert house.service.stop("front").state is EndpointState.STOPPED
    assert house.containers() == []
    assert ask(endpoint).status_code == 503
    house.replica(2)
    assert house.service.deploy("digits", "front").revision == 2
    tag = house.service.show("front").image
    assert tag is not None
    house.service.remove("front")
    assert house.service.list() == []
    assert house.events[-1] == EndpointRemoved("front")
    assert house.containers() == []
    with pytest.raises(NotFound):
        house.engine.image(tag)
    left = [path for path in (house.folder.endpoints / "front").rglob("*") if path.is_file()]
    assert {path.parent.name for path in left} == {"requests"}
    deadline = time.monotonic() + 240
    while ask(endpoint).status_code != 404:
        assert time.monotonic() < deadline


def test_the_next_endpoint_of_a_name_shows_nothing_of_the_one_before_whose_log_stays(house: House) -> None:
    house.replica(1)
    for name in ("first", "second"):
        house.replica(2 if name == "second" else 1)
        endpoint = house.service.deploy("digits", "front")
        assert house.service.requests("front") == []
        assert (endpoint.load, endpoint.errors) == (None, None)
        assert ask(endpoint).status_code == 200
        house.service._switchboard.gatekeeper.roll()
        assert [one.row for one in house.service.requests("front")] == [0, 1]
        house.service._switchboard.poll()
        load = house.service.show("front").load
        assert load is not None
        assert load.requests_total == 1
        house.service.remove("front")
    folders = sorted(path.name for path in (house.folder.endpoints / "front").iterdir())
    assert [name for name in folders if name.startswith("requests")] == ["requests", "requests-2"]
    assert all(
        list((house.folder.endpoints / "front" / name).rglob("*.parquet")) for name in ("requests", "requests-2")
    )


def test_the_log_of_an_endpoint_that_an_older_agent_has_deployed_goes_on(house: House) -> None:
    house.replica(1)
    endpoint = house.service.deploy("digits", "front")
    assert endpoint.request_log == str(house.folder.endpoints / "front" / "requests")
    ask(endpoint)
    house.service._board.change("front", lambda known: replace(known, request_log=None))
    service = house.agent()
    service.start()
    ask(endpoint)
    assert len(service.requests("front")) == 4


def test_a_stop_overtakes_a_deployment(house: House) -> None:
    house.service.deploy("digits", "front", wait=False)
    house.service.stop("front")
    deadline = time.monotonic() + 240
    while house.service._claims.busy():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert house.service.show("front").state is EndpointState.STOPPED
    assert house.containers() == []


def copy_database(house: House, copy: Path) -> None:
    with closing(sqlite3.connect(house.folder.state_database)) as store, closing(sqlite3.connect(copy)) as target:
        store.backup(target)


def lose_database(house: House, copy: Path | None = None) -> None:
    """End the agent, take its state database away (or put an older copy there), and begin the next one's life."""
    house.loops[-1].stop(5)
    house.states_open[-1].close()
    for path in house.folder.root.glob("state.db*"):
        path.unlink()
    shutil.rmtree(house.folder.root / "backups", ignore_errors=True)
    if copy is not None:
        shutil.copy(copy, house.folder.state_database)
    house.agent().start()
    house.service._watch.look()


def told(house: House) -> list[str]:
    """Return what was told, as soon as there is anything: a look of the agent's own may be under way."""
    deadline = time.monotonic() + 240
    while not (texts := [event.text for event in list(house.events) if isinstance(event, Notice)]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return texts


def test_an_endpoint_whose_record_was_lost_goes_on_serving_and_is_recorded_again(house: House) -> None:
    house.replica(1, "cat")
    before = house.service.deploy("digits@champion", "front")
    lose_database(house)
    assert house.containers() == [before.replicas[0].container]
    assert ask(before).json()["predictions"][0] == "cat"
    house.look_until_there("front")
    after = house.service.show("front")
    for part in ("state", "url", "revision", "model", "replicas", "traffic", "image", "request_log"):
        assert getattr(after, part) == getattr(before, part)
    for _ in range(3):
        house.service._watch.look()
    assert [text.partition(";")[0] for text in told(house)] == [
        "Endpoint front runs and its record was lost, or is older"
    ]
    assert house.answer()["predictions"][0] == "cat"
    house.replica(2, "dog")
    assert house.service.deploy("digits/2", "front").revision == 2
    house.service.remove("front")
    assert house.containers() == []


def test_what_was_deployed_after_the_copy_of_the_database_that_is_back_goes_on_serving(
    house: House, tmp_path: Path
) -> None:
    house.replica(1, "old")
    house.service.deploy("digits/1", "front")
    copy_database(house, tmp_path / "copy.db")
    house.replica(2, "new")
    now = house.service.deploy("digits/2", "front")
    lose_database(house, tmp_path / "copy.db")
    found = house.look_until(lambda found: found.revision == 2 and found.state is EndpointState.LIVE)
    assert (found.replicas, found.model.version) == (now.replicas[:1], "2")
    house.wait(lambda: house.containers() == [now.replicas[0].container])
    house.wait(lambda: house.answer()["predictions"][0] == "new")


def test_by_a_record_that_says_stopped_nothing_is_ended_or_brought_back(house: House, tmp_path: Path) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front")
    house.service.stop("front")
    copy_database(house, tmp_path / "copy.db")
    house.replica(2)
    now = house.service.deploy("digits/2", "front")
    lose_database(house, tmp_path / "copy.db")
    for _ in range(3):
        house.service._watch.look()
    assert house.containers() == [now.replicas[0].container]
    assert house.service.show("front").state is EndpointState.STOPPED
    assert len(told(house)) == 1
    assert "which is stopped as far as is recorded" in told(house)[0]
    house.service.stop("front")
    assert house.containers() == []


def test_a_container_that_never_went_live_or_whose_endpoint_was_removed_is_swept(house: House) -> None:
    house.replica(1)
    endpoint = house.service.deploy("digits", "front")
    shelf = house.service._shelf
    revision = shelf.read("front", 1)
    assert revision is not None
    for number, state in ((2, "failed"), (3, "pending")):
        shelf.write(replace(revision, number=number, state=state))
    instance = house.folder.instance
    for number in (2, 3, 4):
        name, labels = (
            deploy_options.container_name(instance, "front", number),
            deploy_options.labels(instance, "front", number),
        )
        house.engine.create(ContainerSpec(name, "python:3.12-slim", None, labels=labels))
    house.service._watch.look()
    assert house.containers() == [endpoint.replicas[0].container]
    stop, house.engine.stop = house.engine.stop, lambda *_: (_ for _ in ()).throw(Unavailable("The engine is away."))
    house.service.remove("front")
    house.engine.stop = stop
    assert house.containers() == [endpoint.replicas[0].container]
    house.service._watch._looks = 30
    house.service._watch.look()
    assert house.containers() == []


def test_only_strays_of_this_instance_are_swept(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits", "front")
    for instance in (house.folder.instance, "00000000"):
        name = deploy_options.container_name(instance, "ghost", 1)
        house.engine.create(
            ContainerSpec(name, "python:3.12-slim", None, labels=deploy_options.labels(instance, "ghost", 1))
        )
    house.service._watch.look()
    assert house.containers() == sorted(
        [
            deploy_options.container_name(house.folder.instance, "front", 1),
            deploy_options.container_name("00000000", "ghost", 1),
        ]
    )


def test_a_job_whose_image_has_the_labels_of_an_endpoint_is_not_swept(house: House) -> None:
    """As of an image that somebody made from an endpoint's container: the engine puts its labels on the job's."""
    house.replica(1)
    house.service.deploy("digits", "front")
    job = f"mld-{house.folder.instance}-0123456789ab-a1"
    labels = {**deploy_options.labels(house.folder.instance, "ghost", 1), "io.mlops-desk.job": "0123456789ab"}
    house.engine.create(ContainerSpec(job, "python:3.12-slim", None, labels=labels))
    house.service._watch.look()
    assert house.containers() == sorted([deploy_options.container_name(house.folder.instance, "front", 1), job])


def test_others_may_ask_but_not_end_or_replace(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits", "front")
    other = os.getuid() + 4242
    ask_as(other, house.service, "endpoints.show", name="front")
    ask_as(other, house.service, "endpoints.deploy", name="another", model="digits")
    for verb, more in (("stop", {}), ("remove", {}), ("deploy", {"model": "digits"})):
        ask_as(os.getuid(), house.service, f"endpoints.{verb}", name="front", **more)
        with pytest.raises(Refused, match=f"Endpoint front belongs to .*, and uid {other} asked for endpoints {verb}"):
            ask_as(other, house.service, f"endpoints.{verb}", name="front", **more)
    assert house.service.show("front").state is EndpointState.LIVE


def test_the_load_comes_back_from_the_gateway(house: House) -> None:
    house.replica(1)
    endpoint = house.service.deploy("digits", "front")
    house.service._switchboard.poll()
    for _ in range(5):
        ask(endpoint)
    house.service._switchboard.poll()
    load = house.service.show("front").load
    assert load is not None
    assert (load.requests_total, load.errors_total) == (5, 0)
    assert load.requests_per_second > 0
    assert load.latency_p95_seconds is not None
