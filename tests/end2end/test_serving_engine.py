"""A real model in a real container: an image built offline from a wheelhouse, requests through the gateway, no egress."""

import contextlib
import json
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving import deploy_options
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from tests.end2end.endpoint_house import NotingService, bearer
from tests.images import engine_client

pytestmark = [pytest.mark.end2end, pytest.mark.engine]

TRAIN = """
import sys, mlflow, numpy, pandas, sklearn
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
x = pandas.DataFrame({"height.cm": numpy.linspace(100, 200, 50), "weight": numpy.linspace(90, 30, 50)})
y = (x["height.cm"] > 150).astype(int)
model = LogisticRegression(max_iter=1000).fit(x, y)
needs = [f"mlflow=={mlflow.__version__}", f"scikit-learn=={sklearn.__version__}", "cloudpickle", "pandas"]
mlflow.sklearn.save_model(
    model, sys.argv[1], signature=infer_signature(x, model.predict(x)), input_example=x[:3], pip_requirements=needs,
    serialization_format="cloudpickle",
)
"""
HOSTILE = """
import sys, mlflow, mlflow.pyfunc, pandas, sklearn

class Spy(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        import contextlib, io
        said = []
        for code in model_input["code"]:
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(code, {})
            said.append(output.getvalue())
        return said

# Word for word what the other model needs: an image is made once, in a minute.
needs = [f"mlflow=={mlflow.__version__}", f"scikit-learn=={sklearn.__version__}", "cloudpickle", "pandas"]
mlflow.pyfunc.save_model(
    sys.argv[1], python_model=Spy(), pip_requirements=needs, input_example=pandas.DataFrame({"code": ["print(1)"]})
)
"""
REACH = """
import socket
for host, port in {targets!r}:
    for again in (False, True):
        try:
            socket.create_connection((host, port), 2).close()
            print("REACHED", host, port)
            break
        except OSError as error:
            print("kept in:", host, error) if again else None
"""
LOOK = """
import os, socket
print("interfaces", sorted(name for _, name in socket.if_nameindex()))
print("routes", len(open("/proc/net/route").readlines()) - 1)
print("mounted", sorted(os.listdir("/mlops-desk")))
for act in (lambda: open("/mlops-desk/x", "w"), lambda: os.symlink("/etc", "/mlops-desk/hand"),
            lambda: os.unlink("/mlops-desk/serve.py"), lambda: os.listdir("/model/..") and open("/model/x", "w")):
    try:
        act()
        print("WROTE")
    except OSError as error:
        print("kept off:", error.strerror)
with socket.socket(socket.AF_UNIX) as abstract:
    try:
        abstract.connect(chr(0) + {abstract!r})
        print("REACHED the abstract socket")
    except OSError as error:
        print("kept in:", error.strerror)
"""


class House:
    def __init__(self, root: Path, serving: dict[str, str], model: Path) -> None:
        self.folder = DataFolder(root)
        self.folder.make()
        self.loop = Loop("test")
        self.state = State(self.folder.state_database)
        self.engine = DockerEngine()
        self.settings = SettingsStore(self.folder.settings)
        for key, value in serving.items():
            self.settings.set(key, value)
        self.models = {"bodies": model}
        self.service = self._service()

    def _service(self) -> NotingService:
        return NotingService(
            self.folder, self.state, Bus(), self.loop, self.settings, self.engine, self.resolve, self.download
        )

    def another_agent(self) -> None:
        """End the agent and begin another one's life."""
        self.loop.stop(3)
        self.state.close()
        self.loop, self.state = Loop("test"), State(self.folder.state_database)
        self.service = self._service()

    def resolve(self, text: str) -> ModelVersion:
        return ModelVersion(deploy_options.parse_model(text).name, "1", None, None, "READY")

    def download(self, version: ModelVersion, folder: Path) -> None:
        subprocess.run(["cp", "-rT", str(self.models[version.name]), str(folder)], check=True)

    def end(self) -> None:
        for endpoint in self.service.list():
            self.service.remove(endpoint.name)
        self.service.end_gateway()
        self.loop.stop(3)
        with engine_client() as client:
            left = client.networks(names=[deploy_options.network_name(self.folder.instance)])
        self.engine.close()
        self.state.close()
        assert left == []

    def end_with_images(self) -> None:
        """End, and remove the images that were made here."""
        self.end()
        with engine_client() as client:
            for image in client.images(filters={"label": f"{deploy_options.LABEL_INSTANCE}={self.folder.instance}"}):
                client.remove_image(image["Id"], force=True)

    def trained_in(self, image: str) -> None:
        """Have all versions trained by a job in this image."""
        with engine_client() as client:
            image_id = client.inspect_image(image)["Id"]
        self.service._maker._find_trained = lambda _version: (image_id, "job-1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "model"
    return saved(TRAIN, folder)


def saved(script: str, folder: Path) -> Path:
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, serving: dict[str, str], model: Path) -> Iterator[House]:
    built = House(tmp_path_factory.mktemp("house"), serving, model)
    yield built
    built.end()


@pytest.fixture(scope="module")
def endpoint(house: House) -> Endpoint:
    deployed = house.service.deploy("bodies", "front")
    assert deployed.state is EndpointState.LIVE, deployed.reason
    return deployed


@pytest.fixture(scope="module")
def hostile(house: House, tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    house.models["spy"] = saved(HOSTILE, tmp_path_factory.mktemp("hostile") / "model")
    deployed = house.service.deploy("spy", "spy")
    assert deployed.state is EndpointState.LIVE, deployed.reason
    return deployed


def ask(endpoint: Endpoint, document: object) -> httpx.Response:
    assert endpoint.url is not None
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.post(endpoint.url, json=document, headers=bearer(endpoint))


def inspect(name: str) -> Any:
    with engine_client() as client:
        return client.inspect_container(name)


def test_the_model_answers_and_its_requests_are_in_the_log(house: House, endpoint: Endpoint, tmp_path: Path) -> None:
    rows = [{"height.cm": 190.0, "weight": 40.0}, {"height.cm": 110.0, "weight": 80.0}]
    answer = ask(endpoint, {"dataframe_records": rows})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"predictions": [1, 0]}
    bad = ask(endpoint, {"dataframe_records": [{"other": 1}]})
    assert bad.status_code == 400
    target = tmp_path / "window.parquet"
    assert house.service.request_window("front", 100, target).rows == 2
    with duckdb.connect(":memory:") as connection:
        found = connection.execute(f"SELECT * FROM '{target}'")
        assert [column[0] for column in found.description] == ["height.cm", "weight"]
        assert set(found.fetchall()) == {(190.0, 40.0), (110.0, 80.0)}
    assert house.service.kinds("front") == {"height.cm": "numeric", "weight": "numeric"}


def test_the_container_is_hardened_and_reaches_nothing(house: House, endpoint: Endpoint) -> None:
    facts = inspect(endpoint.replicas[0].container)
    host = facts["HostConfig"]
    assert (host["CapDrop"], host["ReadonlyRootfs"], host["Privileged"]) == (["ALL"], True, False)
    assert host["PortBindings"] in ({}, None)
    assert list(facts["NetworkSettings"]["Networks"]) == ["none"]
    assert facts["Config"]["User"].split(":")[0] != "0"
    assert {(mount["Destination"], mount["RW"]) for mount in facts["Mounts"] if mount["Type"] == "bind"} == {
        ("/model", False),
        ("/mlops-desk", False),
    }


@contextlib.contextmanager
def services_of_this_machine() -> Iterator[int]:
    """Listen on all addresses of both families, on one port, as somebody's notebook does."""
    with socket.socket(socket.AF_INET6) as listening:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(("::", 0))
        listening.listen(50)
        yield listening.getsockname()[1]


def addresses_of_this_machine() -> set[str]:
    told = subprocess.run(["ip", "-j", "address"], capture_output=True, text=True, check=True).stdout
    return {entry["local"] for link in json.loads(told) for entry in link["addr_info"]}


def said_by_a_job(house: House, image: str, code: str) -> str:
    """Run the same code in a container on the engine's own bridge, where jobs are: it must reach something."""
    name = f"mlops-desk-{house.folder.instance}-spy"
    house.engine.create(ContainerSpec(name, image, ("-c", code), entrypoint=("python3",)))
    try:
        house.engine.start(name)
        return "\n".join(house.engine.logs(name, follow=True))
    finally:
        house.engine.remove(name)


@contextlib.contextmanager
def a_job_that_listens(house: House, image: str) -> Iterator[str]:
    name = f"mlops-desk-{house.folder.instance}-listens"
    house.engine.create(ContainerSpec(name, image, ("-m", "http.server", "8000"), entrypoint=("python3",)))
    try:
        address = house.engine.start(name).addresses["mlops-desk"]
        deadline = time.monotonic() + 240
        while True:
            with contextlib.suppress(OSError), socket.create_connection((address, 8000), 1):
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield address
    finally:
        house.engine.remove(name)


def test_a_hostile_model_reaches_nothing_and_writes_nothing(house: House, hostile: Endpoint) -> None:
    image = house.settings.text("serving.base_image")
    with (
        services_of_this_machine() as port,
        socket.socket(socket.AF_UNIX) as abstract,
        a_job_that_listens(house, image) as job,
    ):
        abstract.bind("\0mlops-desk-test-abstract")
        abstract.listen()
        gateway_port = int(str(hostile.url).rpartition(":")[2].partition("/")[0])
        bridge = house.engine.bridge_address()
        targets = [(address, port) for address in sorted({*addresses_of_this_machine(), bridge, "0.0.0.0", "::1"})]
        targets += [("127.0.0.1", gateway_port), (job, 8000), ("169.254.169.254", 80), ("1.1.1.1", 53)]
        control = said_by_a_job(house, image, REACH.format(targets=[(bridge, port), (job, 8000)]))
        assert (control.count(f"REACHED {bridge}"), control.count("kept in:")) == (1, 1), control  # jobs are kept apart
        codes = [REACH.format(targets=targets), LOOK.format(abstract="mlops-desk-test-abstract")]
        answer = ask(hostile, {"dataframe_records": [{"code": code} for code in codes]})
    assert answer.status_code == 200, answer.text
    reached, looked = answer.json()["predictions"]
    assert reached.count("kept in:") == len(targets), reached
    assert "REACHED" not in reached
    assert "interfaces ['lo']" in looked
    assert "routes 0" in looked
    assert "mounted ['serve.py']" in looked
    assert looked.count("kept off:") == 4, looked
    assert "kept in: Connection refused" in looked


def test_an_endpoint_outlives_agent_and_gateway(house: House, endpoint: Endpoint) -> None:
    row = {"dataframe_records": [{"height.cm": 190.0, "weight": 40.0}]}
    house.service._switchboard.gatekeeper.stop()  # as if somebody had killed it
    with pytest.raises(httpx.ConnectError):
        ask(endpoint, row)
    house.service._switchboard.poll()
    assert ask(endpoint, row).json() == {"predictions": [1]}
    house.another_agent()
    house.service._watch.look()
    assert house.service.show("front").state is EndpointState.LIVE
    assert ask(endpoint, row).json() == {"predictions": [1]}
    assert inspect(endpoint.replicas[0].container)["RestartCount"] == 0


def test_the_image_holds_no_wheels_and_is_not_built_twice(house: House, endpoint: Endpoint) -> None:
    second = house.service.deploy("bodies", "second")
    assert (second.state, second.image) == (EndpointState.LIVE, endpoint.image)
    log = house.folder.endpoints / "second" / "revisions" / "1" / "build.log"
    assert "was there already" in log.read_text()
    with engine_client() as client:
        label = f"{deploy_options.LABEL_INSTANCE}={house.folder.instance}"
        assert client.images(filters={"dangling": True, "label": label}) == []
    assert house.engine.has_file(second.replicas[0].container, "/packages/mlflow")
    assert not house.engine.has_file(second.replicas[0].container, "/wheels")
    house.service.remove("second")
    assert house.engine.image(endpoint.image or "").id


def test_a_killed_container_is_started_again(house: House, endpoint: Endpoint) -> None:
    with engine_client() as client:
        client.kill(endpoint.replicas[0].container)
    deadline = time.monotonic() + 240
    states = set()
    while EndpointState.UNHEALTHY not in states or house.service.show("front").state is not EndpointState.LIVE:
        house.service._watch.look()
        states.add(house.service.show("front").state)
        assert time.monotonic() < deadline, house.service.show("front")
        time.sleep(0.2)
    assert house.service._switchboard.bring_in(), "the gateway looks for new routes twice a second"
    row = {"height.cm": 190.0, "weight": 40.0}
    assert ask(house.service.show("front"), {"dataframe_records": [row]}).json() == {"predictions": [1]}
    assert any("The model is loaded" in line for line in house.service.logs("front"))


def test_a_model_that_eats_its_memory_is_told_so_and_costs_nobody_else_a_request(
    house: House, endpoint: Endpoint, hostile: Endpoint
) -> None:
    before = house.settings.text("serving.memory_mebibytes")
    house.models["greedy"] = house.models["spy"]
    house.settings.set("serving.memory_mebibytes", "600")
    greedy = house.service.deploy("greedy", "greedy")
    house.settings.set("serving.memory_mebibytes", before)
    assert greedy.state is EndpointState.LIVE, greedy.reason
    eats = "eaten = []\nwhile True: eaten.append(bytearray(16 << 20))"
    row = {"dataframe_records": [{"height.cm": 190.0, "weight": 40.0}]}
    assert ask(greedy, {"dataframe_records": [{"code": eats}]}).status_code in {502, 503}
    reasons, states, others = set(), list[EndpointState](), set[int]()
    deadline = time.monotonic() + 240
    while EndpointState.UNHEALTHY not in states or states[-1] is not EndpointState.LIVE:
        house.service._watch.look()
        shown = house.service.show("greedy")
        states.append(shown.state)
        reasons.add(shown.reason.class_ if shown.reason else None)
        others.add(ask(endpoint, row).status_code)
        assert time.monotonic() < deadline, shown
        time.sleep(0.2)
    assert "oom_kernel" in reasons
    assert others == {200}
    assert house.service._switchboard.bring_in()
    said = ask(greedy, {"dataframe_records": [{"code": "print('here')"}]})
    assert said.json()["predictions"] == ["here\n"]
    house.service.remove("greedy")


def test_what_no_wheel_is_there_for_is_named_before_a_build_and_the_old_one_stays_live(
    house: House, endpoint: Endpoint, model: Path
) -> None:
    after = deployed_with(house, model, "no-such-package-anywhere==1.0")
    assert after.state is EndpointState.LIVE
    assert after.reason is not None
    assert after.reason.class_ == "build_failed"
    assert "has no wheel for no-such-package-anywhere==1.0" in after.reason.text
    assert "pip download" in (after.reason.hint or "")
    assert ask(after, json.loads((model / "serving_input_example.json").read_text())).status_code == 200


def test_a_build_that_fails_shows_the_cause_that_stands_in_the_middle_of_its_output(
    house: House, endpoint: Endpoint, model: Path, tmp_path: Path
) -> None:
    before = house.settings.text("serving.wheelhouse")
    for wheel in Path(before).glob("*.whl"):
        (tmp_path / wheel.name).symlink_to(wheel)
    with zipfile.ZipFile(tmp_path / "wants_more-1.0-py3-none-any.whl", "w") as wheel:
        facts = "Metadata-Version: 2.1\nName: wants-more\nVersion: 1.0\nRequires-Dist: no-such-package-anywhere\n"
        wheel.writestr("wants_more-1.0.dist-info/METADATA", facts)
        wheel.writestr("wants_more-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("wants_more-1.0.dist-info/RECORD", "")
    house.settings.set("serving.wheelhouse", str(tmp_path))
    try:
        after = deployed_with(house, model, "wants-more==1.0")
    finally:
        house.settings.set("serving.wheelhouse", before)
    assert after.reason is not None
    assert after.reason.class_ == "build_failed"
    assert "No matching distribution found for no-such-package-anywhere" in after.reason.text
    assert "no-such-package-anywhere" in (after.reason.evidence or "")
    assert "returned a non-zero code" not in (after.reason.evidence or "")


def deployed_with(house: House, model: Path, requirement: str) -> Endpoint:
    """Deploy the model once with one requirement more."""
    requirements = model / "requirements.txt"
    whole = requirements.read_text()
    requirements.write_text(f"{whole}\n{requirement}\n")
    try:
        return house.service.deploy("bodies", "front")
    finally:
        requirements.write_text(whole)
