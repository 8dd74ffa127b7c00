"""The API over a real socket: verbs, errors, streams, events, credentials, audit."""

import json
import os
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from mlops_desk.automation.records.retraining_rule import Rule
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.job_import import ImportedJob, ImportedJobs
from mlops_desk.jobs.records.queue_position import DryRun
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.api.client import Client
from mlops_desk.kit.api.server import ApiServer
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, TimedOut, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.records.agent import AgentCost, AgentInfo, AuditEntry
from mlops_desk.kit.verbs.access import Permission, SingleUser
from mlops_desk.kit.verbs.declaration import verbs_of
from mlops_desk.kit.verbs.desk import PROTOCOLS
from mlops_desk.machine.records.event import Heartbeat, Hello, JobChanged, Notice, Sampled
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.history import Curve, Curves
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import Status
from mlops_desk.registry.records.comparison import ComparedGroup, ComparedValue
from mlops_desk.registry.records.model import Run
from mlops_desk.serving.records.access import DeployedEndpoint, NewToken, deployed
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef


def job(number: str = "1") -> Job:
    return Job(number, "train", JobState.QUEUED, JobSpec("train", "image"), 1.0, os.getuid(), "me")


def status(power_watts: float | None) -> Status:
    state = MetricState.OK if power_watts is not None else MetricState.LOST
    gpu = Gpu("GPU-1", 0, "H100", None, GpuState.OK, metrics={"hw.power": Reading(power_watts, "W", state)})
    agent = AgentInfo("1", 2.0, AgentCost(), 3, "/data", "i")
    return Status((gpu,), Host("ws"), (), (), agent, 1000.0)


class Jobs:
    def __init__(self) -> None:
        self.callers: list[int] = []
        self.closed, self.speaks = threading.Event(), threading.Event()
        self.asked, self.done = threading.Event(), threading.Event()
        self.states = {"j": JobState.RUNNING}

    def submit(self, spec: str, folder: str = "/") -> Job:
        self.callers.append(current_caller().pid)
        if "bad" in spec:
            raise Invalid("The spec is bad.", "Mend it.")
        return job()

    def import_(self, file: str = "", folder: str = "/", docker_run: str | None = None) -> ImportedJobs:
        return ImportedJobs((docker_run or "").partition(" -e")[0], (ImportedJob(folder, file),))

    def preview(self, spec: str = "", changed: Mapping[str, str] | None = None) -> DryRun:
        return DryRun("", 1, warnings=(spec, *(f"{path}={value}" for path, value in (changed or {}).items())))

    def list(self, state: str | None = None, limit: int = 200) -> list[Job]:
        return [job(str(number)) for number in range(limit)]

    def show(self, job_id: str) -> Job:
        if job_id == "slow":
            raise TimedOut("The engine did not answer.")
        if job_id in self.states:
            return replace(job(job_id), state=self.states[job_id])
        raise NotFound(f"There is no job {job_id}.", "mlops-desk jobs list")

    def cancel(self, job_id: str) -> Job:
        if job_id == "waits":
            self.asked.set()
            self.speaks.wait(20)
            self.states[job_id] = JobState.CANCELLED
            self.done.set()
            return job(job_id)
        found = self.show(job_id)
        self.states[job_id] = JobState.CANCELLED
        return replace(found, state=JobState.CANCELLED)

    def logs(self, job_id: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        try:
            yield "first"
            if job_id == "silent":
                self.speaks.wait(20)
                return
            yield f"tail={tail} follow={follow}"
            if job_id == "breaks":
                raise Unavailable("The engine went away.")
            while follow:
                yield "more"
        finally:
            self.closed.set()


class Runs:
    def list(self, experiment: str, uri: str | None = None, sort: str | None = None, limit: int = 100) -> list[Run]:
        return [Run("r", None, "FINISHED", 1, {"auc": float("nan"), "loss": float("inf")})]


class Models:
    def compare(self, model: str, a: str, b: str, **named: Any) -> list[ComparedValue]:
        return [ComparedValue(ComparedGroup.TAGS, model, (a, b, *(named.get("more") or ())), differs=True)]


class Rules:
    def create(self, name: str, **rest: object) -> Rule:
        return Rule(name, str(rest["model"]), "champion", str(rest["metric"]), data=rest.get("data") or {})

    def show(self, name: str) -> Rule:
        raise NotFound(f"There is no rule {name}.")

    def list(self) -> list[Rule]:
        raise IndexError("list index out of range")


class Endpoints:
    def deploy(self, model: str, name: str) -> DeployedEndpoint:
        ref = ModelRef(model, "1", f"models:/{model}/1")
        return deployed(Endpoint(name, EndpointState.BUILDING, None, 1, ref), "told-once")

    def token(self, name: str, *, revoke: bool = False) -> NewToken:
        return NewToken(name, "told-again", 1 if revoke else 2)

    def show(self, name: str) -> Endpoint:
        raise NotFound(f"There is no endpoint {name}.")


class Telemetry:
    def curves(self, curves: list[str], start: float, end: float, buckets: int = 600) -> Curves:
        found = tuple(Curve(*name.split("\t"), "W", b"\x00\xff" * 2, b"", b"\x01") for name in curves)
        return Curves(start, end - start, buckets, 1.0, found)


class World(SimpleNamespace):
    client: Client
    bus: Bus
    jobs: Jobs
    socket: Path
    audit: list[AuditEntry]
    server: ApiServer
    thread: threading.Thread


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    bus, loop, audit, jobs = Bus(), Loop("test"), [], Jobs()
    services = {
        "jobs": jobs,
        "runs": Runs(),
        "models": Models(),
        "rules": Rules(),
        "telemetry": Telemetry(),
        "endpoints": Endpoints(),
    }
    server = ApiServer(services, bus, loop, audit.append, Permission(services, SingleUser()))
    socket = tmp_path / "agent.sock"
    thread = loop.start("api", lambda: server.serve(socket))
    deadline = time.monotonic() + 20
    while not socket.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    client = Client(AgentAddress(socket=socket))
    yield World(client=client, bus=bus, jobs=jobs, socket=socket, audit=audit, server=server, thread=thread)
    client.close()
    server.stop()
    loop.ending.set()
    thread.join(10)
    assert not thread.is_alive()
    loop.stop()


def test_records_come_back_as_records(world: World) -> None:
    assert world.client.jobs.list(limit=3) == [job("0"), job("1"), job("2")]
    assert world.client.jobs.submit("text", folder="/x") == job()


def test_the_kernel_says_who_asks(world: World) -> None:
    world.client.jobs.submit("text")
    assert world.jobs.callers == [os.getpid()]


def test_the_audit_trail_tells_how_the_thing_was_and_how_it_became(world: World) -> None:
    world.client.jobs.cancel("j")
    entry = world.audit[-1]
    assert (entry.verb, entry.error) == ("jobs.cancel", None)
    before, after = json.loads(entry.before or ""), json.loads(entry.outcome or "")
    assert (before["id"], before["state"]) == ("j", "running")
    assert (after["id"], after["state"]) == ("j", "cancelled")


def test_a_token_is_told_to_who_asked_and_is_in_no_audit_trail(world: World) -> None:
    assert world.client.endpoints.deploy("digits", "front").token == "told-once"
    assert world.client.endpoints.token("front", revoke=True).token == "told-again"
    outcomes = {entry.verb: entry.outcome for entry in world.audit if entry.outcome is not None}
    assert '"front"' in outcomes["endpoints.deploy"]
    assert '"front"' in outcomes["endpoints.token"]
    assert "told-" not in wire.dumps(world.audit)


def test_what_was_not_there_before_is_audited_without_a_before(world: World) -> None:
    with pytest.raises(NotFound):
        world.client.jobs.cancel("x")
    assert (world.audit[-1].before, world.audit[-1].error) == (None, "There is no job x.")


def test_only_this_user_can_open_the_socket(world: World) -> None:
    assert stat.S_IMODE(world.socket.stat().st_mode) == 0o600


def test_an_error_arrives_as_it_was_raised_with_its_hint(world: World) -> None:
    with pytest.raises(NotFound, match="There is no job x") as caught:
        world.client.jobs.show("x")
    assert caught.value.hint == "mlops-desk jobs list"
    with pytest.raises(TimedOut):
        world.client.jobs.show("slow")


def test_a_bug_is_no_answer_and_is_not_shown(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Exception, match="Something went wrong in the agent") as caught:
        world.client.rules.list()
    assert "list index" not in str(caught.value)


def test_what_only_reads_a_whole_file_is_sent_as_a_body_and_leaves_no_record(world: World) -> None:
    text = "é" * 60_000  # three times as long in an address, which nobody takes
    found = world.client.jobs.import_(text, docker_run="docker run -e TOKEN=s3cret img")
    assert found == ImportedJobs("docker run", (ImportedJob("/", text),))
    seen = world.client.jobs.preview(text, changed={"params.lr": "0.1", "resources.gpus": "2"})
    assert seen.warnings == (text, "params.lr=0.1", "resources.gpus=2")
    assert world.audit == []


def test_changes_are_audited_whatever_became_of_them_and_reads_are_not(world: World) -> None:
    world.client.jobs.list()
    world.client.jobs.submit("good")
    with pytest.raises(Invalid):
        world.client.jobs.submit("bad")
    assert [(entry.verb, entry.state, entry.error) for entry in world.audit] == [
        ("jobs.submit", "began", None),
        ("jobs.submit", "ended", None),
        ("jobs.submit", "began", None),
        ("jobs.submit", "ended", "The spec is bad."),
    ]
    assert [entry.id for entry in world.audit[::2]] == [entry.id for entry in world.audit[1::2]]
    assert world.audit[0].uid == os.getuid()
    assert '"good"' in world.audit[0].arguments


def test_numbers_without_a_json_word_survive(world: World) -> None:
    metrics = world.client.runs.list("e")[0].metrics
    assert metrics["auc"] != metrics["auc"]
    assert metrics["loss"] == float("inf")


def test_mappings_can_be_sent(world: World) -> None:
    rule = world.client.rules.create("r", model="m", metric="auc", data={"/data": "/new"})
    assert rule.data == {"/data": "/new"}


@pytest.mark.parametrize("names", [["/mnt/a b\tx&y"], ["GPU-1\thw.power", "host\tload"]])
def test_lists_can_be_asked_for_and_bytes_come_back(world: World, names: list[str]) -> None:
    answer = world.client.telemetry.curves(names, 1.5, 3.0)
    assert [f"{curve.device}\t{curve.metric}" for curve in answer.curves] == names
    assert answer.curves[0].minimum == b"\x00\xff\x00\xff"
    assert (answer.start, answer.buckets) == (1.5, 600)


@pytest.mark.parametrize("path", ["/v1/jobs/list?limit=many", "/v1/jobs/list?nonsense=1", "/v1/jobs/show"])
def test_a_wrong_question_is_told_so(world: World, path: str) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(world.socket)), base_url="http://agent") as raw:
        answer = raw.get(path)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/jobs/list?limit=many", "limit takes a whole number, not 'many'."),
        ("/v1/jobs/show?job_id=", "job_id is empty."),
        ("/v1/jobs/list?limit=3.5", "limit takes a whole number, not '3.5'."),
        ("/v1/jobs/logs?job_id=j&follow=nope", "follow takes true or false, not 'nope'."),
        ("/v1/telemetry/curves?curves=a&end=1&start=soon", "start takes a number, not 'soon'."),
    ],
)
def test_what_is_of_another_kind_is_told_in_words(world: World, path: str, said: str) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(world.socket)), base_url="http://agent") as raw:
        assert raw.get(path).json()["error"] == said


@pytest.mark.parametrize("more", [None, ["3"], ["3", "fraud/4"]])
def test_a_list_that_may_be_left_out_travels_with_a_question(world: World, more: list[str] | None) -> None:
    (found,) = world.client.models.compare("churn", "1", "2", more=more)
    assert found.values == ("1", "2", *(more or ()))


def test_every_single_value_that_a_verb_takes_has_words() -> None:
    parameters = [one for name, kind in PROTOCOLS.items() for verb in verbs_of(name, kind) for one in verb.parameters]
    assert {one.name for one in parameters if one.wanted is None} == {
        "anchors",
        "changed",
        "columns",
        "command",
        "curves",
        "data",
        "images",
        "importance",
        "label",
        "more",
        "names",
        "real_values",
        "renamed",
        "reports",
        "run",
        "run_ids",
        "shares",
        "suppressed",
        "texts",
    }
    assert {one.wanted for one in parameters if one.name == "enabled"} == {"true or false"}


def test_lines_stream_and_an_error_in_mid_stream_is_an_error(world: World) -> None:
    assert list(world.client.jobs.logs("1", tail=5)) == ["first", "tail=5 follow=False"]
    lines = world.client.jobs.logs("breaks")
    assert next(lines) == "first"
    with pytest.raises(Unavailable, match="went away"):
        list(lines)


def test_a_reader_that_goes_away_ends_the_source(world: World) -> None:
    lines = world.client.jobs.logs("1", follow=True)
    assert next(lines) == "first"
    lines.close()
    assert world.jobs.closed.wait(20)


@pytest.mark.slow
def test_events_reach_every_listener_with_a_heartbeat_in_silence(world: World) -> None:
    events = after_hello(world.client.announcements())
    assert isinstance(next(events), Heartbeat)
    world.bus.publish(JobChanged(job()))
    world.bus.publish(Notice("info", "test", "hello"))
    world.bus.publish("no event of ours")
    got = [next(events), next(events)]
    assert got == [JobChanged(job()), Notice("info", "test", "hello")]
    events.close()


@pytest.mark.slow
def test_streams_that_are_open_at_the_end_are_ended_quietly(world: World, caplog: pytest.LogCaptureFixture) -> None:
    other = Client(AgentAddress(socket=world.socket))
    events, lines = after_hello(world.client.announcements()), other.jobs.logs("1", follow=True)
    assert isinstance(next(events), Heartbeat)
    assert next(lines) == "first"
    world.server.stop()
    with pytest.raises(Unavailable, match="closed the connection"):
        list(events)
    assert set(lines) <= {"tail=None follow=True", "more"}
    other.close()
    world.thread.join(20)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_listener_is_ended_from_another_thread(world: World) -> None:
    told = threading.Event()

    def listen() -> None:
        with pytest.raises(Unavailable):
            for _event in world.client.announcements():
                told.set()

    thread = threading.Thread(target=listen)
    thread.start()
    assert told.wait(20)
    world.client.hang_up()
    thread.join(20)
    assert not thread.is_alive()


def test_lines_that_do_not_come_are_ended_from_another_thread(world: World) -> None:
    lines = world.client.jobs.logs("silent", follow=True)
    assert next(lines) == "first"
    rest: list[str] = []
    thread = threading.Thread(target=lambda: rest.extend(lines))
    thread.start()
    lines.hang_up()
    thread.join(10)  # the agent is silent for longer
    world.jobs.speaks.set()
    assert not thread.is_alive()
    assert rest == []


def test_lines_that_nobody_wants_any_more_are_not_begun(world: World) -> None:
    lines = world.client.jobs.logs("j1", follow=True)
    lines.hang_up()
    assert list(lines) == []


def test_a_client_that_is_closed_waits_for_no_answer_and_the_agent_goes_on(world: World) -> None:
    told: list[DeskError] = []

    def ask() -> None:
        with pytest.raises(Unavailable) as raised:
            world.client.jobs.cancel("waits")
        told.append(raised.value)

    thread = threading.Thread(target=ask)
    thread.start()
    assert world.jobs.asked.wait(20)
    world.client.close()
    thread.join(10)  # the agent is silent for longer
    assert not thread.is_alive()
    assert "it may still happen" in told[0].message
    assert "waits" not in world.jobs.states
    world.jobs.speaks.set()
    assert world.jobs.done.wait(20)
    assert world.jobs.states["waits"] is JobState.CANCELLED


def test_a_client_that_is_closed_ends_its_lines_and_asks_nothing_more(world: World) -> None:
    lines = world.client.jobs.logs("silent", follow=True)
    assert next(lines) == "first"
    errors: list[DeskError] = []

    def read() -> None:
        try:
            next(lines)
        except DeskError as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    world.client.close()
    thread.join(10)
    world.jobs.speaks.set()
    assert not thread.is_alive()
    assert [type(error) for error in errors] == [Unavailable]
    asked = len(world.jobs.callers)
    for ask in (lambda: world.client.jobs.submit("name: x"), lambda: next(world.client.announcements())):
        with pytest.raises(Unavailable):
            ask()
    assert len(world.jobs.callers) == asked


@pytest.mark.slow
def test_samples_arrive_whole_though_only_their_changes_travel(world: World) -> None:
    told = [Sampled(status(power)) for power in (300.0, 300.0, None, 310.5)]
    events = after_hello(world.client.announcements())
    assert isinstance(next(events), Heartbeat)
    for sample in told:
        world.bus.publish(sample)
        assert next(events) == sample
    events.close()


def test_the_newest_sample_is_told_before_anything_happens(world: World) -> None:
    world.server._newest = lambda: Sampled(status(250.0))
    events = after_hello(world.client.announcements())
    assert next(events) == Sampled(status(250.0))
    world.bus.publish(Sampled(status(251.0)))
    assert next(event for event in events if not isinstance(event, Heartbeat)) == Sampled(status(251.0))
    events.close()


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["", "?changes=1"])  # nothing, or the form of patches of an older window
def test_who_does_not_ask_for_changes_gets_whole_samples(asked: str, world: World) -> None:
    sample = Sampled(status(300.0))
    transport = httpx.HTTPTransport(uds=str(world.socket))
    with (
        httpx.Client(transport=transport, base_url="http://agent") as http,
        http.stream("GET", f"/v1/events{asked}") as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        for _ in range(2):
            world.bus.publish(sample)
            document = json.loads(next(lines))
            assert wire.from_builtins(document["event"], Sampled) == sample


@pytest.mark.slow
def test_who_asks_for_few_samples_gets_few_and_everything_else_at_once(world: World) -> None:
    events = after_hello(world.client.announcements(every_seconds=60.0))
    assert isinstance(next(events), Heartbeat)
    world.bus.publish(Sampled(status(300.0)))
    assert isinstance(next(events), Sampled)
    for number in range(3):
        world.bus.publish(Sampled(status(301.0)))
        world.bus.publish(Notice("info", "test", str(number)))
        assert next(event for event in events if not isinstance(event, Heartbeat)).text == str(number)
    events.close()


@pytest.mark.slow
def test_samples_that_are_left_out_are_no_silence(world: World) -> None:
    events = after_hello(world.client.announcements(every_seconds=60.0))
    next(events)
    kinds: list[type] = []
    for _ in range(4):
        for _ in range(8):
            world.bus.publish(Sampled(status(300.0)))
            time.sleep(0.25)
        kinds.append(type(next(events)))
    assert kinds[1:] == [Heartbeat] * 3
    events.close()


def test_a_pace_that_is_none_is_refused(world: World) -> None:
    for pace in (-1.0, 61.0, float("nan")):
        with pytest.raises(Invalid):
            next(world.client.announcements(every_seconds=pace))


@pytest.mark.slow
def test_the_openapi_document_has_every_verb(world: World) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(world.socket)), base_url="http://agent") as raw:
        document = raw.get("/openapi.json").json()
    submit = document["paths"]["/v1/jobs/submit"]["post"]
    assert submit["requestBody"]["content"]["application/json"]["schema"]["required"] == []
    assert "get" in document["paths"]["/v1/drift/list"]
    paths = ("/v1/settings/set", "/v1/jobs/cancel", "/v1/jobs/submit")
    assert [document["paths"][path]["post"]["x-who"] for path in paths] == ["administrator", "owner", "everybody"]
    assert json.dumps(document)


def after_hello(heard: Iterator[Any]) -> Iterator[Any]:
    """Return what comes after the first word."""
    assert isinstance(next(heard), Hello)
    return heard


def greeted(world: World) -> tuple[Hello, Any]:
    """Begin to listen; return what comes first, and the rest."""
    heard = world.client.announcements()
    hello = next(heard)
    assert isinstance(hello, Hello)
    return hello, (event for event in heard if not isinstance(event, Heartbeat))


def test_who_comes_back_hears_what_was_announced_meanwhile(world: World) -> None:
    hello, heard = greeted(world)
    assert not hello.complete
    world.bus.publish(Notice("info", "jobs", "first"))
    assert [next(heard).text] == ["first"]
    heard.close()
    world.bus.publish(Notice("info", "jobs", "second"))
    world.bus.publish(JobChanged(job("a")))
    world.bus.publish(JobChanged(job("b")))
    world.bus.publish(JobChanged(replace(job("a"), name="renamed")))
    hello, heard = greeted(world)
    assert hello.complete
    told = [next(heard) for _ in range(3)]
    assert told == [
        Notice("info", "jobs", "second"),
        JobChanged(job("b")),
        JobChanged(replace(job("a"), name="renamed")),
    ]
    heard.close()
    hello, heard = greeted(world)
    assert hello.complete
    world.bus.publish(Notice("info", "jobs", "third"))
    assert next(heard).text == "third"
    heard.close()


def test_a_break_while_one_hears_what_was_missed_loses_nothing(world: World) -> None:
    _, heard = greeted(world)
    world.bus.publish(Notice("info", "jobs", "0"))
    next(heard)
    heard.close()
    for number in range(1, 5):
        world.bus.publish(Notice("info", "jobs", str(number)))
    texts = []
    for _ in range(4):
        greeted(world)[1].close()
        hello, heard = greeted(world)
        assert hello.complete
        texts.append(next(heard).text)
        heard.close()
    assert texts == ["1", "2", "3", "4"]


def test_after_another_agents_life_one_loads_anew(world: World) -> None:
    _, heard = greeted(world)
    world.bus.publish(Notice("info", "jobs", "first"))
    next(heard)
    heard.close()
    world.server._backlog.epoch = "f" * 32
    hello, heard = greeted(world)
    assert (hello.complete, hello.epoch) == (False, "f" * 32)
    heard.close()


def test_a_listener_hears_only_what_it_may(world: World) -> None:
    world.server._hears = lambda caller, event: caller.uid == os.getuid() and not isinstance(event, JobChanged)
    _, heard = greeted(world)
    world.bus.publish(JobChanged(job("a")))
    world.bus.publish(Notice("info", "jobs", "first"))
    assert next(heard) == Notice("info", "jobs", "first")
    heard.close()
    world.bus.publish(JobChanged(job("a")))
    world.bus.publish(Notice("info", "jobs", "second"))
    _, heard = greeted(world)
    assert next(heard) == Notice("info", "jobs", "second")
    heard.close()


def test_an_answer_tells_the_agents_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[float, float, float]] = []
    monkeypatch.setattr("mlops_desk.kit.base.agent_clock.follow", lambda *times: told.append(times))
    world.client.jobs.list(limit=1)
    _, heard = greeted(world)
    heard.close()
    assert len(told) == 2
    for at, asked_at, heard_at in told:
        assert asked_at - 1e-5 <= at <= heard_at


EVERY_VERB = [verb for service, protocol in PROTOCOLS.items() for verb in verbs_of(service, protocol)]
ODD_TEXTS = ["a\0b", "\ud800", "a\udfffb"]


@pytest.mark.slow
def test_a_text_that_nobody_could_write_down_is_refused_at_the_door_of_every_verb(world: World) -> None:
    transport = httpx.HTTPTransport(uds=str(world.socket))
    with httpx.Client(transport=transport, base_url="http://desk") as client:
        for verb in EVERY_VERB:
            for name in [*(one.name for one in verb.parameters), "nothing"]:
                if verb.has_body:
                    odd: list[Any] = [*ODD_TEXTS, ["a\0"], {"a": ["\ud800"]}, {"\ud800": 1}]
                    bodies = [json.dumps({name: one}) for one in odd]
                    answers = [client.post(verb.path, content=body) for body in bodies]
                else:
                    answers = [client.get(f"{verb.path}?{name}=a%00b")]
                assert {answer.status_code for answer in answers} == {422}, (verb.path, name)
                assert all("lone surrogate" in answer.json()["error"] for answer in answers), (verb.path, name)


def test_a_text_of_any_language_is_taken(world: World) -> None:
    assert world.client.jobs.preview("naïve 日本語 😀\n\t").warnings == ("naïve 日本語 😀\n\t",)
