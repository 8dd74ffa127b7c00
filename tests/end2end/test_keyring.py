"""Secrets in a real Secret Service (gnome-keyring's), by the real program: kept, moved, locked, hung, killed, absent."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.desk import Desk
from tests.images import busybox_image
from tests.secret_service import SecretServiceRig

pytestmark = [pytest.mark.end2end]
CANARY = "canary-keyring-0815"


@pytest.fixture
def rig() -> Iterator[SecretServiceRig]:
    for program in ("dbus-daemon", "gnome-keyring-daemon"):
        if shutil.which(program) is None and not os.environ.get("CI"):
            pytest.skip(f"there is no {program}: apt-get install gnome-keyring dbus-daemon")
    with tempfile.TemporaryDirectory(prefix="mld-ring-") as folder:  # a socket's path is short
        rig = SecretServiceRig(Path(folder))
        rig.unlock()
        yield rig
        rig.end()


@pytest.fixture
def desk(rig: SecretServiceRig, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data", rig.environment)
    yield desk
    desk.stop()


def keep(desk: Desk, tmp_path: Path, name: str, *, check: bool = True) -> str:
    """Set a secret; return all that is said."""
    file = tmp_path / "value"
    file.write_text(CANARY)
    done = desk.run("secrets", "set", name, str(file), check=check)
    assert CANARY not in done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def places(desk: Desk) -> dict[str, str]:
    return {one["name"]: one["kept_in"] for one in desk.json("secrets", "list")}


def on_disk(desk: Desk) -> bytes:
    return b"".join(path.read_bytes() for path in desk.folder.rglob("*") if path.is_file())


def test_a_secret_lies_in_the_keyring_and_nowhere_else_and_moves_without_a_loss(rig, desk, tmp_path):
    assert "your keyring" in keep(desk, tmp_path, "A")
    assert places(desk) == {"A": "keyring"}
    assert CANARY.encode() not in on_disk(desk)
    (entry,) = rig.entries()
    assert "'A' on 'MLOps Desk" in entry
    desk.run("secrets", "move", "A", "--to", "file")
    assert (places(desk), rig.entries()) == ({"A": "file"}, [])
    assert CANARY.encode() in on_disk(desk)
    desk.run("secrets", "move", "A", "--to", "keyring")
    assert (places(desk), len(rig.entries())) == ({"A": "keyring"}, 1)
    assert CANARY.encode() not in on_disk(desk)
    desk.run("secrets", "remove", "A")
    assert (places(desk), rig.entries()) == ({}, [])


def test_a_locked_keyring_says_how_to_unlock_it_and_new_ones_become_files(rig, desk, tmp_path):
    keep(desk, tmp_path, "A")
    rig.lock()
    assert "a file of mode 0400" in (said := keep(desk, tmp_path, "B"))
    assert "The keyring is locked." in said
    refused = desk.run("secrets", "move", "A", "--to", "file", check=False)
    assert refused.returncode == 1
    assert "gnome-keyring-daemon --replace --unlock" in refused.stderr
    assert places(desk) == {"A": "keyring", "B": "file"}
    desk.run("settings", "set", "secrets.keeper", "keyring")
    assert "The keyring is locked." in keep(desk, tmp_path, "C", check=False)
    assert places(desk) == {"A": "keyring", "B": "file"}
    rig.unlock()
    desk.run("secrets", "move", "A", "--to", "file")
    assert places(desk) == {"A": "file", "B": "file"}


def test_a_keyring_that_hangs_is_left_alone_after_a_while(rig, desk, tmp_path):
    keep(desk, tmp_path, "A")
    rig.hang()
    refused = desk.run("secrets", "move", "A", "--to", "file", check=False)  # ends by itself, else `run` fails
    assert "gave no answer within" in refused.stderr
    assert places(desk) == {"A": "keyring"}
    rig.go_on()
    desk.run("secrets", "move", "A", "--to", "file")
    assert places(desk) == {"A": "file"}


def test_a_keyring_that_was_killed_is_as_good_as_none_and_loses_nothing(rig, desk, tmp_path):
    keep(desk, tmp_path, "A")
    rig.kill()
    assert "No keyring answers in this session" in keep(desk, tmp_path, "B")
    refused = desk.run("secrets", "move", "A", "--to", "file", check=False)
    assert (refused.returncode, "in a keyring" in refused.stderr) == (1, True)
    rig.unlock()
    desk.run("secrets", "move", "A", "--to", "file")
    assert places(desk) == {"A": "file", "B": "file"}


def test_without_a_bus_secrets_are_files(tmp_path):
    desk = Desk(tmp_path / "data", {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/none"})
    try:
        assert "No keyring answers" in keep(desk, tmp_path, "A")
        assert places(desk) == {"A": "file"}
        desk.run("settings", "set", "secrets.keeper", "keyring")
        assert "settings set secrets.keeper auto" in keep(desk, tmp_path, "B", check=False)
        assert places(desk) == {"A": "file"}
    finally:
        desk.stop()


@pytest.mark.engine
def test_a_job_waits_for_a_locked_keyring_and_goes_on_when_it_is_unlocked(rig, desk, tmp_path):
    keep(desk, tmp_path, "A")
    rig.lock()
    file = tmp_path / "job.yaml"
    head = f"apiVersion: mlops-desk/v1\nkind: Job\nname: waits\nimage: {busybox_image()}\n"
    file.write_text(f"{head}command: [wc, -c, /run/secrets/A]\nsecrets: [A]\n")
    job = desk.json("jobs", "submit", str(file))
    waits = desk.wait(lambda: desk.json("jobs", "show", job["id"]), lambda now: now["state"] == "blocked")
    assert waits["reason"]["class"] == "secret_locked"
    assert "gnome-keyring-daemon --replace --unlock" in waits["reason"]["command"]
    rig.unlock()
    ended = desk.wait(lambda: desk.json("jobs", "show", job["id"]), lambda now: now["ended_at"] is not None)
    assert ended["state"] == "succeeded", ended["reason"]
    assert desk.run("jobs", "logs", job["id"]).stdout.split()[0] == str(len(CANARY))
