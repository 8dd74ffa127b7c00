"""Any image with a port and a health path as an endpoint, on a real engine: without a network, with its relay."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving import deploy_options
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from tests.end2end.endpoint_house import NotingService, bearer
from tests.images import engine_client, python_image

pytestmark = [pytest.mark.end2end, pytest.mark.engine]

SERVER = """
import json, os, socket, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Chat(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200 if self.path == "/healthz" else 500 if self.path == "/broken" else 404, {"path": self.path})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if asked.get("stream"):
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for word in ("one", "two", "three"):
                piece = f"data: {word}\\n\\n".encode()
                self.wfile.write(b"%x\\r\\n%b\\r\\n" % (len(piece), piece))
                time.sleep(0.05)
            self.wfile.write(b"0\\r\\n\\r\\n")
            return
        if asked.get("look"):
            found = [name for _, name in socket.if_nameindex()]
            reached = socket.socket().connect_ex(("1.1.1.1", 53)) == 0
            self.answer(200, {"interfaces": found, "reached": reached, "folders": sorted(os.listdir("/"))})
            return
        if asked.get("die"):
            os._exit(3)
        self.answer(200, {"path": self.path, "said": asked})

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

print("listening", flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Chat).serve_forever()
"""
COMMAND = ["python3", "-c", SERVER]


class House:
    def __init__(self, root: Path) -> None:
        self.folder = DataFolder(root)
        self.folder.make()
        self.loop, self.engine, self.state = Loop("test"), DockerEngine(), State(self.folder.state_database)
        self.settings = SettingsStore(self.folder.settings)
        self.settings.set("serving.start_timeout_seconds", "600")
        self.service = NotingService(
            self.folder,
            self.state,
            Bus(),
            self.loop,
            self.settings,
            self.engine,
            self.resolve,
            lambda _version, _to: None,
        )

    def resolve(self, text: str) -> ModelVersion:
        raise Refused(f"There is no model {text}.")

    def containers(self) -> list[str]:
        with engine_client() as client:
            labels = {"label": [f"{deploy_options.LABEL_INSTANCE}={self.folder.instance}"]}
            return sorted(one["Names"][0].lstrip("/") for one in client.containers(all=True, filters=labels))

    def end(self) -> None:
        for endpoint in self.service.list():
            self.service.remove(endpoint.name)
        self.service.end_gateway()
        self.loop.stop(3)
        left = self.containers()
        self.engine.close()
        self.state.close()
        assert left == []


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    built = House(tmp_path_factory.mktemp("house"))
    yield built
    built.end()


@pytest.fixture(scope="module")
def image() -> str:
    return python_image()


@pytest.fixture(scope="module")
def endpoint(house: House, image: str) -> Endpoint:
    made = house.service.deploy("", "chat", image=image, port=8000, health="/healthz", command=COMMAND)
    assert made.state is EndpointState.LIVE, made.reason
    return made


def post(endpoint: Endpoint, path: str, document: object) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.post(f"{endpoint.url}{path}", json=document, headers=bearer(endpoint))


def test_an_image_answers_on_its_own_paths_and_is_named_as_what_it_is(
    house: House, endpoint: Endpoint, image: str
) -> None:
    answer = post(endpoint, "/v1/chat/completions", {"messages": []})
    assert answer.json() == {"path": "/v1/chat/completions", "said": {"messages": []}}
    with httpx.Client(trust_env=False, headers=bearer(endpoint)) as client:
        assert client.get(f"{endpoint.url}/healthz").json() == {"path": "/healthz"}
    assert post(endpoint, "/v1/chat/completions", {"stream": True}).text == "".join(
        f"data: {word}\n\n" for word in ("one", "two", "three")
    )
    image_id = house.engine.image(image).id
    shown = house.service.show("chat")
    assert (shown.model.name, shown.model.version, shown.model.uri) == (image, image_id[:19], image_id)
    assert (shown.runtime, shown.image, shown.token_required) == ("image", image_id, True)
    assert "listening" in list(house.service.logs("chat"))


def test_it_has_no_network_no_mount_and_no_token(house: House, endpoint: Endpoint) -> None:
    looked = post(endpoint, "/look", {"look": True}).json()
    assert (looked["interfaces"], looked["reached"]) == (["lo"], False)
    assert "mlops-desk" not in looked["folders"]
    relay = endpoint.replicas[0].container
    with engine_client() as client:
        inside, way_in = client.inspect_container(deploy_options.beside(relay)), client.inspect_container(relay)
    assert inside["Mounts"] == []
    assert inside["HostConfig"]["ReadonlyRootfs"]
    assert inside["HostConfig"]["CapDrop"] == ["ALL"]
    assert inside["Config"]["User"] not in {"", "root", "0:0"}
    assert way_in["HostConfig"]["NetworkMode"] == "none"
    token = bearer(endpoint)["authorization"].removeprefix("Bearer ")
    assert token not in json.dumps([inside, way_in])


@pytest.mark.parametrize("victim", ["relay", "image"])
def test_whichever_of_the_two_dies_both_are_started_again(house: House, endpoint: Endpoint, victim: str) -> None:
    relay = endpoint.replicas[0].container
    with engine_client() as client:
        before = client.inspect_container(relay)["Id"]
    house.engine.kill(relay if victim == "relay" else deploy_options.beside(relay), "KILL")
    deadline = time.monotonic() + 240
    while True:
        house.service._watch.look()
        with engine_client() as client, contextlib.suppress(Exception):
            if client.inspect_container(relay)["Id"] != before and house.service.show("chat").state == "live":
                break
        assert time.monotonic() < deadline, house.service.show("chat")
        time.sleep(0.5)
    assert house.service._switchboard.bring_in(), "the gateway looks for new routes twice a second"
    assert post(endpoint, "/v1/x", {"a": 1}).json()["said"] == {"a": 1}
    assert house.containers() == sorted([relay, deploy_options.beside(relay)])


@pytest.mark.parametrize(
    ("port", "health", "words", "class_"),
    [
        (8000, "/nowhere", "It answers /nowhere with 404", "health_not_found"),
        (8000, "/broken", "It answers /broken with 500", "not_well"),
        (8000, "/healthz", "ended with code 3", "container_died"),
        (8000, "/healthz", "Nothing answers on port 8000", "port_silent"),
    ],
)
def test_what_keeps_an_image_from_serving_is_named_with_its_last_lines(
    house: House, image: str, port: int, health: str, words: str, class_: str
) -> None:
    command = {
        "container_died": ["python3", "-c", "print('no weights'); raise SystemExit(3)"],
        "port_silent": ["python3", "-c", "import time; print('loading', flush=True); time.sleep(600)"],
    }.get(class_, COMMAND)
    house.settings.set("serving.start_timeout_seconds", "10")
    made = house.service.deploy("", "odd", image=image, port=port, health=health, command=command)
    assert made.state is EndpointState.FAILED
    assert made.reason is not None
    assert (made.reason.class_, words in made.reason.text) == (class_, True), made.reason
    assert made.reason.evidence in {"no weights", "loading", "listening"}
    house.service.remove("odd")
    assert not [name for name in house.containers() if "-odd-" in name], "nothing is left of it"


def test_an_image_that_is_not_there_is_named_with_the_line_that_fetches_it(house: House) -> None:
    with pytest.raises(Refused, match="is not at the engine") as refused:
        house.service.deploy("", "gone", image="nobody/has-this:1", port=80, health="/")
    assert "docker pull nobody/has-this:1" in str(refused.value.hint)
    assert "docker load" in str(refused.value.hint)
    assert not (house.folder.endpoints / "gone" / "access.json").exists()
