"""A job, a build and a fetch behind a real proxy: an index and a repository of the lab's own, with its certificates.

The hosts of the lab have names that nobody but the proxy knows, so whatever reaches them has come by it.
"""

import base64
import json
import os
import urllib.parse
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from tests.authority import Authority
from tests.end2end.desk import Desk
from tests.images import engine_client, python_image
from tests.lab_server import HELLO, LabServer, wheel
from tests.proxy_double import ProxyDouble

pytestmark = [pytest.mark.end2end, pytest.mark.engine]

INDEX_LOGIN = "ada:canary-index-4711"
PROXY_LOGIN = 'bo:canary/"proxy\\ 0815'
AT_FIRST = {"network.wheels": "", "network.proxy_login": "", "jobs.keep_containers": "false"}
PROGRAMS = ("/usr/bin/curl", "/usr/bin/git", "/usr/lib/git-core/git-remote-https")
SCRIPT = """
set -ex
env
python3 -m pip install -q --disable-pip-version-check --target "$HOME/site" lab_tools
PYTHONPATH="$HOME/site" python3 -c "import lab_tools; print('installed', lab_tools.SAID)"
curl -sS --fail https://pypi.lab/hello
git clone -q https://pypi.lab/git/code.git "$HOME/code"
cat "$HOME/code/said"
python3 - <<END
import mlflow
mlflow.log_param("way", "direct")
END
"""


@dataclass
class Lab:
    """What stands on the lab's network, and the desk of a person there."""

    desk: Desk
    server: LabServer
    proxy: ProxyDouble
    authority: Authority
    folder: Path
    changed: dict[str, str] = field(default_factory=dict)

    def set(self, **values: str) -> None:
        """Set what is set for the time of a test."""
        for key, value in values.items():
            self.desk.run("settings", "set", f"network.{key}", value)
            self.changed[f"network.{key}"] = value

    def keep(self, name: str, value: str) -> None:
        file = self.folder / f"{name}.secret"
        file.write_text(f"{value}\n")
        self.desk.run("secrets", "set", name, str(file))

    def job(self, image: str, *lines: str, script: str = SCRIPT) -> dict[str, Any]:
        """Submit a job and return how it ended, with its log under ``log``."""
        head = ("apiVersion: mlops-desk/v1", "kind: Job", "name: way-out", f"image: {image}")
        file = self.folder / "job.yaml"
        file.write_text("\n".join((*head, f"command: [sh, -c, {json.dumps(script)}]", *lines)) + "\n")
        id_ = self.desk.json("jobs", "submit", str(file))["id"]
        ended: dict[str, Any] = self.desk.wait(
            lambda: self.desk.json("jobs", "show", id_), lambda job: job["ended_at"] is not None
        )
        return {**ended, "log": self.desk.run("jobs", "logs", id_).stdout}


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab for all tests of this file."""
    folder = tmp_path_factory.mktemp("lab")
    engine = DockerEngine()
    bridge = engine.bridge_address()
    engine.close()
    authority = Authority(folder, hosts=("pypi.lab", "evil.lab"))
    server = LabServer(folder / "www", INDEX_LOGIN, authority)
    server.add_package("lab_tools")
    server.add_repository("code", said="cloned code\n")
    proxy = ProxyDouble(listens=bridge)
    desk = Desk(
        folder / "data", {"DBUS_SESSION_BUS_ADDRESS": "", "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    )
    desk.run("settings", "set", "jobs.mount_roots", str(tmp_path_factory.getbasetemp()))
    lab = Lab(desk, server, proxy, authority, folder)
    lab.set(http_proxy=proxy.address, https_proxy=proxy.address, ca_bundle=str(authority.file))
    lab.set(package_index="https://pypi.lab/simple", index_login="index")
    yield lab
    desk.stop()
    proxy.close()
    server.close()


@pytest.fixture
def lab(standing: Lab, tmp_path: Path) -> Iterator[Lab]:
    """The lab as each test finds it: nobody was asked, and there is no login but those that it keeps."""
    standing.proxy.let_in_only("")
    standing.proxy.hosts = {"pypi.lab": standing.server.port}
    standing.server.elsewhere = ""
    standing.proxy.asked.clear()
    standing.server.asked.clear()
    lab = replace(standing, folder=tmp_path, changed={})
    yield lab
    for key in lab.changed:
        standing.desk.run("settings", "set", key, {**AT_FIRST, **standing.changed}[key])
    for secret in standing.desk.json("secrets", "list"):
        standing.desk.run("secrets", "remove", secret["name"])


@pytest.fixture(scope="session")
def image() -> str:
    """An image with Python, pip, MLflow's client, curl (OpenSSL) and git (GnuTLS)."""
    return python_image(("mlflow-skinny",), with_pip=True, programs=PROGRAMS)


def forms(login: str) -> list[bytes]:
    """Return what a login may look like wherever it is written."""
    _, _, password = login.partition(":")
    told = ["canary", urllib.parse.quote(password, safe=""), base64.b64encode(login.encode()).decode()]
    return [form.encode() for form in told]


def inspected(job: dict[str, Any]) -> bytes:
    with engine_client() as client:
        told = [client.inspect_container(attempt["container"]) for attempt in job["attempts"]]
        for attempt in job["attempts"]:
            client.remove_container(attempt["container"], force=True)
    return json.dumps(told).encode()


def on_disk(folder: Path) -> bytes:
    """Return all that an agent keeps, but for the folder of secrets."""
    files = [path for path in folder.rglob("*") if path.is_file() and "secrets" not in path.parts]
    return b"\n".join(path.read_bytes() for path in files)


def unpacked(file: Path) -> bytes:
    with zipfile.ZipFile(file) as packed:
        return b"\n".join(packed.read(name) for name in packed.namelist())


def succeeded(job: dict[str, Any]) -> dict[str, Any]:
    assert job["state"] == "succeeded", f"{job['reason']}\n{job['log'][-3000:]}"
    for said in ("installed lab_tools", HELLO, "cloned code"):
        assert said in job["log"]
    return job


@pytest.mark.parametrize("login", ["", PROXY_LOGIN], ids=["an open proxy", "a proxy with a login"])
def test_a_job_installs_asks_and_clones_by_the_proxy_and_its_login_is_nowhere(lab: Lab, image: str, login: str) -> None:
    lab.desk.run("settings", "set", "jobs.keep_containers", "true")
    lab.changed["jobs.keep_containers"] = "true"
    lab.keep("index", INDEX_LOGIN)
    names = ["index"]
    if login:
        lab.proxy.let_in_only(login)
        lab.keep("proxy", login)
        lab.set(proxy_login="proxy")
        names.append("proxy")
    job = lab.job(image, f"secrets: [{', '.join(names)}]", "mlflow: {experiment: way-out}")
    succeeded(job)
    bridge = urllib.parse.urlsplit(lab.proxy.address).hostname
    assert not [asked for _, asked in lab.proxy.asked if str(bridge) in asked], "MLflow is asked directly"
    assert lab.desk.json("runs", "show", job["mlflow_run_id"])["params"] == {"way": "direct"}
    exported = lab.folder / "job.mldcapsule"
    lab.desk.run("jobs", "export", job["id"], str(exported))
    told = b"\n".join((inspected(job), job["log"].encode(), json.dumps(job).encode(), on_disk(lab.desk.folder)))
    for form in (*forms(INDEX_LOGIN), *(forms(login) if login else ())):
        assert form not in told
        assert form not in unpacked(exported)
    left = [path for path in Path("/dev/shm").glob(f"mlops-desk-{os.geteuid()}-*") if list(path.glob(f"{job['id']}*"))]
    assert left == [], "what lay in memory is gone with the job"


def test_a_job_that_does_not_name_the_logins_gets_none(lab: Lab, image: str) -> None:
    lab.keep("index", INDEX_LOGIN)
    job = lab.job(
        image,
        script="find /run /mlops-desk/home; env; exec python3 -m pip install --no-input --target /tmp/x lab_tools",
    )
    assert job["state"] == "failed"
    assert {login for login, _ in lab.server.asked} == {None}
    assert not any(form in job["log"].encode() for form in forms(INDEX_LOGIN))


def test_wheels_alone_are_installed_without_asking_anybody(lab: Lab, image: str) -> None:
    wheels = lab.folder / "wheels"
    wheels.mkdir()
    wheel(wheels, "lab_tools")
    lab.set(package_index="", wheels=str(wheels))
    script = SCRIPT.partition("curl")[0]
    job = lab.job(image, script=script)
    assert job["state"] == "succeeded", job["log"]
    assert "installed lab_tools" in job["log"]
    assert lab.proxy.asked == []


def test_a_build_installs_by_the_proxy_with_what_its_dockerfile_asks_for(lab: Lab, image: str) -> None:
    wanted = LabServer(lab.folder / "open", "")
    wanted.wanted = None  # builds get no login
    wanted.add_package("lab_tools")
    lab.proxy.hosts["open.lab"] = wanted.port
    lab.set(package_index="http://open.lab/simple", index_login="")
    context = lab.folder / "trainer"
    context.mkdir()
    mark = uuid4().hex  # else an engine that was asked before says of each step only that it is known
    (context / "Dockerfile").write_text(
        f"FROM {image}\nENV MLD_TEST={mark}\nARG PIP_INDEX_URL\nARG PIP_TRUSTED_HOST\n"
        "RUN python3 -m pip install lab_tools\n"
        "RUN python3 -c 'import lab_tools; print(\"built with\", lab_tools.SAID)'\n"
    )
    tag = f"mlops-desk-network/built:{mark}"
    built = lab.desk.run("images", "build", str(context), "-t", tag, check=False)
    wanted.close()
    assert built.returncode == 0, built.stdout + built.stderr
    assert "built with lab_tools" in built.stdout
    assert [asked for _, asked in lab.proxy.asked if asked.startswith("http://open.lab/simple/lab-tools")]
    with engine_client() as client:
        history = json.dumps(client.history(tag)) + json.dumps(client.inspect_image(tag))
        client.remove_image(tag, force=True)
    assert lab.proxy.address not in history, "an image that is given away names no proxy of this lab"


def test_an_index_that_sends_elsewhere_sends_no_login_there(lab: Lab, image: str) -> None:
    evil = LabServer(lab.folder / "evil", "", lab.authority)
    lab.proxy.hosts["evil.lab"] = evil.port
    lab.server.elsewhere = "https://evil.lab/hello"
    lab.keep("index", INDEX_LOGIN)
    script = "curl -sS --fail -n -L https://pypi.lab/away; python3 -c \"import requests; print(requests.get('https://pypi.lab/away').text)\""
    job = lab.job(image, "secrets: [index]", script=script)
    evil.close()
    assert job["log"].count(HELLO) == 2, job["log"]
    assert {path for _, path in evil.asked} == {"/hello"}
    assert {login for login, _ in evil.asked} == {None}
