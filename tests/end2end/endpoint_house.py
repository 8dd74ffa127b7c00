"""What the tests of endpoints stand on: the real service, gateway and log on the shipped fake engine.

What answers in the place of its containers is the test's: on the socket they are handed, or, for one that an
older agent has started, at the address in 127.77.0.0/16 that the fake engine gives it.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.engines.fake import FakeEngine, ScriptedProgram
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.event import EndpointChanged, Notice
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving import deploy_options, socket_handover
from mlops_desk.serving.gateway.process_control import Gatekeeper
from mlops_desk.serving.meters import EndpointPast
from mlops_desk.serving.records.access import DeployedEndpoint
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from mlops_desk.serving.service import EndpointsService
from tests.serving_upstream import Upstream, handed

if TYPE_CHECKING:
    from mlops_desk.jobs.records.job import Job
    from mlops_desk.jobs.records.reason import Reason
    from mlops_desk.jobs.runtimes.local.ports import GpuLeases

PATIENCE_SECONDS = 240.0
"""Chosen: a gateway or a server that starts on a slow and busy machine takes a minute; only a failing test waits so long."""
BODY = {"dataframe_records": [{"a": 1.5, "city": "Bonn"}, {"a": 2, "city": "Ulm"}]}
SIGNATURE = [{"type": "double", "name": "a"}, {"type": "string", "name": "city"}]


@dataclass
class Registry:
    """Versions that exist, and a model that is downloaded."""

    aliases: dict[str, str] = field(default_factory=lambda: {"champion": "3"})
    downloads: int = 0

    def resolve(self, text: str) -> ModelVersion:
        query = deploy_options.parse_model(text)
        if query.name != "digits":
            raise NotFound(f"There is no model {query.name}.")
        version = query.version or self.aliases[query.alias or "champion"]
        return ModelVersion("digits", version, "run-1", "somewhere", "READY")

    def download(self, version: ModelVersion, folder: Path) -> None:
        self.downloads += 1
        document = {
            "flavors": {"python_function": {"loader_module": "x", "python_version": "3.11.7"}},
            "mlflow_version": "3.17.2",
            "signature": {"inputs": json.dumps(SIGNATURE)},
            "saved_input_example_info": {"serving_input_path": "example.json"},
        }
        (folder / "MLmodel").write_text(yaml.safe_dump(document))
        (folder / "requirements.txt").write_text("mlflow==3.17.2\nscikit-learn==1.9.1\n")
        (folder / "example.json").write_text(json.dumps(BODY))


class NotingService(EndpointsService):
    """Notes the first token of each endpoint, which ``bearer`` gives to whoever asks it."""

    def deploy(self, model: str, name: str, **more: Any) -> DeployedEndpoint:
        answer = super().deploy(model, name, **more)
        if answer.token is not None:
            _TOKENS[answer.url or ""] = answer.token
        return answer


_TOKENS: dict[str, str] = {}


def bearer(endpoint: Endpoint) -> dict[str, str]:
    """Return the header that opens an endpoint of a house; none for one that has no token."""
    token = _TOKENS.get(endpoint.url or "")
    return {} if token is None else {"authorization": f"Bearer {token}"}


class House:
    """What a service needs, and agents that come and go on one data folder."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.folder = DataFolder(root / "data")
        self.folder.make()
        self.stack = stack
        self.engine = FakeEngine(images=["python:3.12-slim"], programs={"": ScriptedProgram(math.inf, ("loading",))})
        self.registry = Registry()
        self.events: list[object] = []
        self.settings = SettingsStore(self.folder.settings)
        self.settings.set("serving.start_timeout_seconds", "600")
        self.loops: list[Loop] = []
        self.states_open: list[State] = []
        self.started: dict[int, Path] = {}
        self.names: dict[int, str] = {}
        self.trained: tuple[str, str] | None = None
        self.past = EndpointPast()
        self.gpus: GpuLeases | None = None
        self.asked_to_give_way: list[tuple[str, Reason, float]] = []
        self.jobs: dict[str, Job] = {}
        self._start, self.engine.start = self.engine.start, self._started
        self.service = self.agent()

    def _started(self, name: str) -> ContainerFacts:
        facts = self._start(name)
        mounts = {mount.target: mount.source for mount in self.engine._containers[name].spec.own_mounts}
        if socket_handover.INSIDE in mounts:
            number = int(facts.id, 16)
            self.names[number] = name
            self.started[number] = Path(mounts[socket_handover.INSIDE])
        return facts

    def agent(self) -> EndpointsService:
        """Begin another agent's life; the one before it ends."""
        if self.loops:
            self.loops[-1].stop()
            self.service.close()  # as the kernel does at a process's end: what it holds of the gateway's goes with it
        loop, bus = Loop("test"), Bus()
        bus.subscribe(object, self.events.append)
        self.loops.append(loop)
        state = State(self.folder.state_database)
        self.states_open.append(state)
        self.stack.callback(state.close)
        self.service = NotingService(
            self.folder, state, bus, loop, self.settings, self.engine, self.registry.resolve, self.registry.download,
            self.past, find_trained=lambda version: self.trained, gpus=self.gpus,
            preempt=self._give_way,
        )  # fmt: skip
        return self.service

    def _give_way(self, job_id: str, reason: "Reason", most_seconds: float) -> "Job | None":
        """Note who is asked to give way, and how long it gets; what it answers is the test's."""
        self.asked_to_give_way.append((job_id, reason, most_seconds))
        return self.jobs.get(job_id)

    def replica(self, number: int, word: str = "yes", revision: int | None = None) -> Upstream:
        """Answer in the place of the ``number``-th container that the engine makes.

        With a ``revision`` it is the first of that one among those made from there on: several are started at once.
        """
        if revision is None:
            return self.stack.enter_context(handed(word, lambda: self.started.get(number)))

        def made() -> Path | None:
            numbers = [one for one in sorted(self.started) if one >= number]
            return next((self.started[one] for one in numbers if self.names[one].endswith(f"-r{revision}")), None)

        return self.stack.enter_context(handed(word, made))

    def states(self) -> list[str]:
        found = [event.endpoint.state for event in self.events if isinstance(event, EndpointChanged)]
        return [state for index, state in enumerate(found) if index == 0 or found[index - 1] is not state]

    def containers(self) -> list[str]:
        return sorted(facts.name for facts in self.engine.containers({deploy_options.LABEL_ENDPOINT: ""}))

    def answer(self) -> Any:
        """Ask until there is an answer: the gateway follows its table a moment later."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (answer := ask(self.service.show("front"))).status_code != 200:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.05)
        return answer.json()

    def wait(self, is_true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_true():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def look_until_there(self, name: str) -> None:
        """Let the watch look until there is a record of an endpoint."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.service._board.find(name) is None:
            assert time.monotonic() < deadline
            self.service._watch._looks = 0
            self.service._watch.look()
            time.sleep(0.05)

    def looked(self) -> bool:
        """Let the watch look once, as the agent does each second."""
        self.service._watch.look()
        return True

    def look_until_told(self, state: EndpointState) -> None:
        """Let the watch look until that state is told, however soon the next one follows."""
        known = len(self.events)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.service.show("front").state is not state and not self._is_told(state, known):
            assert time.monotonic() < deadline
            self.service._watch.look()
            time.sleep(0.05)

    def _is_told(self, state: EndpointState, known: int) -> bool:
        told = [event.endpoint for event in self.events[known:] if isinstance(event, EndpointChanged)]
        return any(one.name == "front" and one.state is state for one in told)

    def look_until(self, is_true: Callable[[Endpoint], bool]) -> Endpoint:
        """Let the watch look until an endpoint is as wanted."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_true(found := self.service.show("front")):
            assert time.monotonic() < deadline, found
            self.service._watch.look()
            time.sleep(0.05)
        return found


@contextmanager
def open_house(root: Path) -> Iterator[House]:
    """Build a house; its agents and its gateway end with it."""
    with ExitStack() as stack:
        built = House(root, stack)
        yield built
        for loop in built.loops:
            loop.stop(3)
        built.service.close()
        Gatekeeper(built.folder.endpoints / "_gateway").stop()


def canary_beside(house: House) -> Endpoint:
    """Return an endpoint of which revision 1 is live, and revision 2 a canary with a tenth of the requests."""
    house.replica(1, "old")
    house.replica(2, "new")
    house.service.deploy("digits/1", "front")
    return house.service.deploy("digits/2", "front", canary=10)


def ask(endpoint: Endpoint, path: str = "", host: str | None = None) -> httpx.Response:
    assert endpoint.url is not None
    with httpx.Client(trust_env=False, timeout=120) as client:
        return client.post(endpoint.url + path, json=BODY, headers=bearer(endpoint))


def told_of(house: House) -> list[str]:
    """Return what people were told."""
    return [event.text for event in house.events if isinstance(event, Notice)]


def words(endpoint: Endpoint, count: int = 200) -> dict[str, int]:
    found: dict[str, int] = {}
    assert endpoint.url is not None
    with httpx.Client(trust_env=False, timeout=60) as client:
        for _ in range(count):
            word = (
                client.post(endpoint.url, json=BODY, headers=bearer(endpoint))
                .raise_for_status()
                .json()["predictions"][0]
            )
            found[word] = found.get(word, 0) + 1
    return found


def told(endpoint: Endpoint) -> list[tuple[int, str, float]]:
    return [(one.revision, str(one.state), round(one.traffic, 6)) for one in endpoint.revisions]
