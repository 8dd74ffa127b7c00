"""Leases between real processes of several users: never a GPU twice, and a killed holder lets go."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.engine import ContainerSpec
from tests.end2end.lease_place import GPUS, ROOT, lease_place, ledger, shown
from tests.engine_suite import WAITS
from tests.gpu_engine import PrivateEngine
from tests.images import busybox_image
from tests.leasing import lease_gpus

pytestmark = pytest.mark.end2end


@pytest.fixture
def place() -> Iterator[Path]:
    with lease_place() as folder:
        yield folder


VANDALISM = """
import os, shutil, stat, sys
from pathlib import Path
uid, leases = int(sys.argv[1]), Path(sys.argv[2])
os.setgroups([]); os.setgid(uid); os.setuid(uid)
theirs = next(folder for folder in leases.iterdir() if folder.stat().st_uid != uid)
file = next(theirs.glob("*.lease"))
tries = {
    "write": lambda: file.write_text("{"),
    "append": lambda: file.open("a"),
    "truncate": lambda: os.truncate(file, 0),
    "touch": lambda: os.utime(file, (0, 0)),
    "chmod": lambda: file.chmod(0o666),
    "unlink": file.unlink,
    "rename": lambda: file.rename(theirs / "other"),
    "rename folder": lambda: theirs.rename(leases / "other"),
    "remove folder": lambda: shutil.rmtree(theirs),
    "make a file": lambda: (theirs / "GPU-x.lease").write_text("{"),
    "make a link": lambda: (theirs / "GPU-x.lease").symlink_to("/etc/passwd"),
    "make a fifo": lambda: os.mkfifo(theirs / "GPU-x.lease"),
    "lock": lambda: (theirs / "lock").open(),
}
for name, work in tries.items():
    try:
        work()
        print("COULD", name)
    except PermissionError:
        print("refused", name)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users needs root")
def test_another_user_can_not_touch_a_lease(place: Path) -> None:
    before = os.umask(0o000)
    try:
        holder = ledger(place, "holder")
        assert lease_gpus(holder, "run", "train", 1, holder.facts(shown(), time.time())).gpus == (GPUS[0],)
    finally:
        os.umask(before)
    command = [sys.executable, "-c", VANDALISM, "4101", str(place / "leases")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line for line in output if not line.startswith("refused ")] == []
    assert len(output) == 13
    assert holder.snapshot()[GPUS[0]].attempt == "run"


SQUATTING = """
import fcntl, os, sys, time
from pathlib import Path
uid, leases, kind, gpu = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
os.setgroups([]); os.setgid(uid); os.setuid(uid)
name = leases / "mlops-desk-leases-0"
if kind == "file":
    name.write_text("")
elif kind == "link":
    name.symlink_to("/etc")
elif kind == "fifo":
    os.mkfifo(name)
else:
    name.mkdir()
    lease = next(leases.glob("*/*.lease"), None)
    (name / f"{gpu}.lease").write_text("garbage" if kind == "folder" else os.environ["FORGED"])
print("there", flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users needs root")
@pytest.mark.parametrize("kind", ["file", "link", "fifo", "folder", "forged"])
def test_who_sits_in_anothers_place_blocks_at_most_the_gpu_it_names_and_is_named(place: Path, kind: str) -> None:
    forger = ledger(place, "forger")
    lease_gpus(forger, "forged", "mine", 1, forger.facts(shown(), time.time()))
    (forged,) = (place / "leases").glob("*/*.lease")
    content = forged.read_text()
    shutil.rmtree(forged.parent)
    command = [sys.executable, "-c", SQUATTING, "4101", str(place / "leases"), kind, GPUS[0]]
    squatter = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "FORGED": content})
    try:
        assert squatter.stdout is not None
        assert squatter.stdout.readline() == "there\n"
        holder = ledger(place, "holder")
        blocked = kind in {"folder", "forged"}
        choice = lease_gpus(holder, "run", "train", 3, holder.facts(shown(), time.time()))
        if blocked:
            assert choice.reason is not None
            assert (
                f"GPU 0 is not given out: the lease file {place}/leases/mlops-desk-leases-0/{GPUS[0]}.lease of uid 4101"
                in choice.reason
            )
            assert ("is damaged" if kind == "folder" else "speaks for another user") in choice.reason
            choice = lease_gpus(holder, "run", "train", 2, holder.facts(shown(), time.time()))
        assert choice.gpus == tuple(GPUS[1:] if blocked else GPUS)
        assert {info.attempt for uuid, info in holder.snapshot().items() if uuid in choice.gpus} == {"run"}
        ours = [folder for folder in (place / "leases").iterdir() if folder.lstat().st_uid == 0]
        assert len(ours) == 1
        assert ours[0].name.startswith("mlops-desk-leases-0-")
    finally:
        squatter.kill()
        squatter.communicate()


def test_the_lease_of_a_killed_holder_is_free_once_it_is_gone(place: Path) -> None:
    script = f"""
import time
from tests.leasing import lease_gpus
from tests.end2end.lease_place import *
place = Path({str(place)!r})
holder = ledger(place, "exec")
print(lease_gpus(holder, "run", "exec", 1, holder.facts(shown(), time.time())).gpus, flush=True)
time.sleep(600)
"""
    holder = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert GPUS[0] in holder.stdout.readline()
    watcher = ledger(place)
    assert watcher.snapshot(watcher.facts(shown(), time.time()))[GPUS[0]].attempt == "run"
    assert lease_gpus(watcher, "mine", "x", 3, watcher.facts(shown(), time.time())).gpus is None
    holder.kill()
    holder.communicate()
    assert watcher.snapshot(watcher.facts(shown(), time.time())) == {}
    lease_gpus(watcher, "mine", "x", 3, watcher.facts(shown(), time.time()))
    assert lease_gpus(watcher, "mine", "x", 3, watcher.facts(shown(), time.time())).gpus == tuple(GPUS)


@pytest.mark.engine
def test_the_container_of_a_killed_agent_keeps_its_gpu_until_it_ends(place: Path, gpu_engine: PrivateEngine) -> None:
    # What is tried is what becomes of the lease, and not how soon a busy engine lists its containers.
    engine = DockerEngine(lambda: gpu_engine.address, deadline_seconds=100.0)
    name = f"mld-test-lease-{os.getpid()}"

    def lives(container: str) -> bool | None:
        found = engine.containers({"io.mlops-desk.lease-test": ""})
        return any(facts.name == container and facts.status in {"created", "running"} for facts in found)

    script = f"""
import time
from tests.leasing import lease_gpus
from tests.end2end.lease_place import *
place = Path({str(place)!r})
holder = ledger(place, "agent")
print(lease_gpus(holder, "a1", "train", 1, holder.facts(shown(), time.time()), container={name!r}).gpus, flush=True)
"""
    labels = {"io.mlops-desk.lease-test": "1"}
    try:
        engine.create(
            ContainerSpec(name, busybox_image(gpu_engine.address), WAITS, labels=labels, gpus=gpu_engine.gpus[:1])
        )
        engine.start(name)
        assert (
            GPUS[0]
            in subprocess.run(
                [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout
        )
        watcher = ledger(place, container_lives=lives)
        for _ in range(2):
            assert lease_gpus(watcher, "b1", "x", 3, watcher.facts(shown(), time.time())).gpus is None
        engine.stop(name, 1)
        lease_gpus(watcher, "b1", "x", 3, watcher.facts(shown(), time.time()))
        assert lease_gpus(watcher, "b1", "x", 3, watcher.facts(shown(), time.time())).gpus == tuple(GPUS)
    finally:
        engine.remove(name)
        engine.close()
