"""Two users of one machine, each with an agent of their own, and what the second one gets of the first one's endpoint.

Both are ordinary users; the engine answers both, as it does a group. The command line, agents, gateways, the ledger and
the engine are real. Whoever may use the engine's socket is root by it: that no test can change, and the documentation says so.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import other_user
from tests.end2end.desk import Desk
from tests.end2end.test_serving_anyimage import SERVER
from tests.gpu_engine import PrivateEngine, can_run, private_engine
from tests.images import python_image
from tests.nvml_sim import Simulator

pytestmark = [
    pytest.mark.end2end, pytest.mark.engine, pytest.mark.nvml,
    pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users needs root"),
]  # fmt: skip
FIRST, SECOND = 4711, 4712
LISTENS = "0A"  # the kernel's word, in /proc/net/tcp
LOOK = """
import json, os, socket, sys
told = json.loads(sys.stdin.read())
found = {"read": [], "connected": [], "environ": [], "root": [], "argv": []}
for folder, _folders, files in os.walk(told["folder"]):
    found["read"] += [os.path.join(folder, name) for name in files]
for path in told["paths"]:
    try:
        with open(path, "rb") as file:
            found["read"].append(path)
    except OSError:
        pass
for path in told["sockets"]:
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect(path)
            found["connected"].append(path)
        except OSError:
            pass
for pid in told["pids"]:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        found["argv"].append(file.read().decode("utf-8", "replace"))
    for name in ("environ", "root/etc/passwd", "fd", "mem"):
        try:
            os.listdir(f"/proc/{pid}/{name}") if name == "fd" else open(f"/proc/{pid}/{name}", "rb").close()
            found["environ" if name != "root/etc/passwd" else "root"].append(f"/proc/{pid}/{name}")
        except OSError:
            pass
print(json.dumps(found))
"""
ASK = """
import http.client, json, sys
host, port, path, token = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
heads = {"content-type": "application/json", **({"authorization": "Bearer " + token} if token else {})}
call = http.client.HTTPConnection(host, port, timeout=20)
call.request("POST" if path.count("/") > 1 or path == "/front" else "GET", path, json.dumps({"a": 1}), heads)
answer = call.getresponse()
print(json.dumps([answer.status, answer.read(2000).decode("utf-8", "replace")]))
"""


@dataclass
class User:
    """A user's desk, on a data folder of their own."""

    uid: int
    desk: Desk
    prefix: list[str]

    def python(self, code: str, *words: str, said: str = "") -> Any:
        """Run a program as this user, in the engine's network, and return the JSON that it prints."""
        command = [*self.prefix, sys.executable, "-c", code, *words]
        done = subprocess.run(command, input=said, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def ask(self, url: str, path: str, token: str) -> tuple[int, str]:
        host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
        status, text = self.python(ASK, host, port, path, token)
        return status, text


@dataclass
class Machine:
    """Both users, the engine, and the first one's endpoint with its token."""

    engine: PrivateEngine
    first: User
    second: User
    image: str
    front: dict[str, Any]

    def deploy(self, user: User, name: str, *more: str) -> subprocess.CompletedProcess[str]:
        words = ["--image", self.image, "--port", "8080", "--health", "/healthz", "--name", name, "--json", *more]
        command = ("python3", "-c", SERVER)
        return user.desk.run("endpoints", "deploy", *words, "--", *command, check=False, timeout=600)


def user_of(uid: int, root: Path, engine: PrivateEngine) -> User:
    folder = root / str(uid)
    folder.mkdir(mode=0o700)
    named = "".join(f"gpu {index} uuid={uuid}\n" for index, uuid in enumerate(engine.gpus))
    simulator = Simulator(folder, f"system driver=580.95.05 cuda=12.2\ngpus 2 model=h100\n{named}", "current")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, uid)
    environment = {
        **simulator.environment, "MLOPS_DESK_LEASE_DIR": str(root / "leases"), "HOME": str(folder),
        "XDG_RUNTIME_DIR": "", "DOCKER_HOST": engine.address,
    }  # fmt: skip
    prefix = ["nsenter", f"--net=/proc/{engine.pid}/ns/net", *other_user.prefix(uid)]
    return User(uid, Desk(folder / "data", environment, prefix), prefix)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    reason = can_run()
    if reason is not None and not os.environ.get("CI"):
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(private_engine(2))
        stack.enter_context(engine.open_to_all())
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mlops-desk-two-")))
        root.chmod(0o755)
        (root / "leases").mkdir()
        (root / "leases").chmod(0o1777)
        first, second = (user_of(uid, root, engine) for uid in (FIRST, SECOND))
        made = Machine(engine, first, second, python_image(base_url=engine.address), {})
        for user in (first, second):
            stack.callback(user.desk.stop)
            user.desk.wait(lambda desk=user.desk: desk.json("gpus", "list"), lambda found: len(found) == 2)
        done = made.deploy(first, "front", "--gpus", "1")
        assert done.returncode == 0, done.stderr
        made.front = json.loads(done.stdout)
        stack.callback(first.desk.run, "endpoints", "remove", "front", check=False)
        yield made


def pids_of(uid: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == uid:
                found.append(int(folder.name))
    return found


def test_both_have_an_endpoint_of_one_name_each_on_a_gpu_of_its_own(machine: Machine) -> None:
    done = machine.deploy(machine.second, "front", "--gpus", "1")
    assert done.returncode == 0, done.stderr
    other = json.loads(done.stdout)
    try:
        given = [one["replicas"][0]["gpus"] for one in (machine.front, other)]
        assert sorted(gpu for gpus in given for gpu in gpus) == sorted(machine.engine.gpus)
        assert other["url"] != machine.front["url"]
        refused = machine.deploy(machine.second, "third", "--gpus", "1")
        assert refused.returncode == 1
        assert "needs 1 GPU, and none of 2 is free" in refused.stderr + refused.stdout
        assert "endpoint front" in refused.stderr + refused.stdout
        assert machine.second.ask(other["url"], "/front/v1/x", other["token"])[0] == 200
        assert machine.first.ask(machine.front["url"], "/front/v1/x", machine.front["token"])[0] == 200
        assert machine.second.ask(machine.front["url"], "/front/v1/x", other["token"])[0] == 401
        assert [one["name"] for one in machine.second.desk.json("endpoints", "list")] != []
    finally:
        for name in ("front", "third"):
            machine.second.desk.run("endpoints", "remove", name, check=False)


def test_without_a_token_nothing_that_listens_answers_for_the_model(machine: Machine) -> None:
    url, token = machine.front["url"], machine.front["token"]
    assert machine.first.ask(url, "/front/v1/x", token)[0] == 200
    for wrong in ("", "mld_wrong", token[:-1]):
        status, text = machine.second.ask(url, "/front/v1/x", wrong)
        assert (status, token in text) == (401, False)
    lines = Path(f"/proc/{machine.engine.pid}/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    ports = {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTENS and int(row[7]) == FIRST}
    assert ports, "its gateway listens"
    for port in sorted(ports):
        for path in ("/", "/front", "/metrics", "/front/v1/x", "/_gateway"):
            status, text = machine.second.ask(f"http://127.0.0.1:{port}/", path, "")
            print(port, path, status, text[:80])
            assert token not in text
            assert '"said"' not in text, "that is what the model answers"
    with_address = subprocess.run(
        ["docker", "-H", machine.engine.address, "ps", "-q"], capture_output=True, text=True, check=True
    ).stdout.split()
    for container in with_address:
        command = ["docker", "-H", machine.engine.address, "inspect", container]
        (facts,) = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert facts["HostConfig"]["PortBindings"] in (None, {})
        networks = facts["NetworkSettings"]["Networks"]
        assert {name for name, one in networks.items() if one["IPAddress"]} == set(), "it has no address on a bridge"


def test_neither_files_nor_sockets_nor_proc_give_it_away(machine: Machine) -> None:
    folder, token = machine.first.desk.folder, machine.front["token"]
    assert machine.first.ask(machine.front["url"], "/front/v1/x", token)[0] == 200
    paths = [str(path) for path in folder.rglob("*") if path.is_file()]
    rows = Path(f"/proc/{machine.engine.pid}/net/unix").read_text().splitlines()
    sockets = sorted({row.split()[-1] for row in rows if len(row.split()) == 8})
    ours = [str(path) for path in folder.rglob("*") if path.is_socket()]
    ours += [
        path for path in sockets if path.startswith("/") and Path(path).exists() and Path(path).stat().st_uid == FIRST
    ]
    print(ours, [path for path in sockets if path.startswith("@")])
    assert ours, "its agent and its replicas listen on some"
    assert [path for path in sockets if path.startswith("@") and "mlops" in path] == [], "nobody is kept off those"
    pids = pids_of(FIRST)
    assert pids
    asked = {"folder": str(folder), "paths": paths, "sockets": ours, "pids": pids}
    found = machine.second.python(LOOK, said=json.dumps(asked))
    assert (found["read"], found["connected"], found["environ"], found["root"]) == ([], [], [], [])
    assert not any(token in argv for argv in found["argv"])
    mine = machine.first.python(LOOK, said=json.dumps(asked))
    assert len(mine["read"]) > 10, "the look itself finds what may be seen"
    assert mine["connected"]


def test_the_other_agent_and_its_verbs_are_not_reached(machine: Machine) -> None:
    own = machine.second.desk
    assert own.json("endpoints", "list") == []
    foreign = Desk(machine.first.desk.folder, own.environment, machine.second.prefix)
    for words in (
        ("endpoints", "list"),
        ("endpoints", "token", "front"),
        ("endpoints", "requests", "front"),
        ("endpoints", "export", "front", "/tmp/never", "--format", "bundle"),
    ):
        done = foreign.run(*words, check=False, timeout=600)
        assert done.returncode != 0, words
        assert machine.front["token"] not in done.stdout + done.stderr
