"""No way leads a job to the sockets, tokens, databases and leases of this program."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

import pytest

from mlops_desk.jobs.runtimes.local.mounts import access
from mlops_desk.jobs.runtimes.local.mounts.access import known_places, led_to, live_sockets
from mlops_desk.kit.base.disk.mount_points import MountTable, RealPlace
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.process import run_worker

TABLE = r"""
21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
22 21 8:2 / /home rw,relatime - ext4 /dev/sda2 rw
23 21 0:30 / /run/user/1000 rw - tmpfs tmpfs rw
24 22 8:2 /ann/.local /srv/a\040link rw - ext4 /dev/sda2 rw
25 21 8:2 / /mnt/homes rw - ext4 /dev/sda2 rw
26 21 8:9 / /data rw - ext4 /dev/sdb1 rw
27 26 8:2 /ann/.local/share/mlops-desk/mlflow /data/deep/inside rw - ext4 /dev/sda2 rw
28 21 8:7 / /late rw - ext4 /dev/sdc1 rw
29 28 8:2 / /late rw - ext4 /dev/sda2 rw
"""


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "mountinfo"
    file.write_text(TABLE.strip() + "\n")
    return MountTable(file)


def test_a_path_is_placed_by_the_mount_that_covers_it(table):
    for path, filesystem, inside in [
        ("/etc/x", "8:1", "/etc/x"),
        ("/home", "8:2", "/"),
        ("/home/ann/x", "8:2", "/ann/x"),
        ("/homes/x", "8:1", "/homes/x"),
        ("/srv/a link/share/x", "8:2", "/ann/.local/share/x"),
        ("/late/x", "8:2", "/x"),
    ]:
        assert table.place(path) == RealPlace(filesystem, PurePosixPath(inside))


@pytest.mark.parametrize(
    ("source", "led"),
    [
        ("/home/ann/.local/share/mlops-desk", True),  # itself
        ("/home/ann/.local/share/mlops-desk/jobs/x", True),  # inside
        ("/home/ann", True),  # above
        ("/home/ann/data", False),
        ("/home/ann/.local/share/mlops-desk-data", False),
        ("/srv/a link/share", True),  # above, by another mount
        ("/mnt/homes/ann/.local/share/mlops-desk/mlflow", True),  # inside, by another mount
        ("/mnt/homes/bob", False),
        ("/data", True),  # a part of it is mounted further down
        ("/data/deep", True),
        ("/data/other", False),
        ("/late", True),
        ("/run/user/1000", True),  # a folder that holds a socket
    ],
)
def test_every_mount_of_the_same_filesystem_leads_to_the_same(table, monkeypatch, source, led):
    monkeypatch.setattr(access, "live_sockets", list)
    monkeypatch.setattr(access, "_below", lambda _source: None)
    monkeypatch.setattr("os.path.lexists", lambda path: not path.endswith((".lock", ".db", ".json")))
    known = known_places(table, ["/home/ann/.local/share/mlops-desk", "/run/user/1000/mlops-desk/agent.sock"])
    assert (led_to(table, source, known) is not None) is led


def test_sockets_of_agents_and_engines_are_found_wherever_they_are_bound(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    bound = []
    with contextlib.ExitStack() as stack:
        for name in ("agent-0123abcd.sock", "agent.sock", "window-99.sock", "docker.sock", "mine.sock", "agent.sock.x"):
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(str(tmp_path / name) if len(str(tmp_path / name)) < 100 else name)
            bound.append(str(tmp_path / name))
        found = [path for path in live_sockets() if path in bound]
    assert found == sorted(bound[:4])


def test_a_socket_that_lives_is_found_however_deep_it_lies(tmp_path, monkeypatch):
    monkeypatch.setattr(access, "_LOOK_FOLDERS", 0)
    with tempfile.TemporaryDirectory(prefix="md-") as folder, socket.socket(socket.AF_UNIX) as server:
        assert led_to(MountTable(), folder, known_places(MountTable(), [])) is None
        server.bind(f"{folder}/agent-0123abcd.sock")
        known = known_places(MountTable(), [])
        assert led_to(MountTable(), folder, known) == f"{folder}/agent-0123abcd.sock"
        assert led_to(MountTable(), str(tmp_path), known) is None


def test_the_kernels_list_may_be_missing_or_odd(tmp_path):
    assert live_sockets(tmp_path / "missing") == []
    odd = tmp_path / "unix"
    odd.write_text(
        "Num RefCount Protocol Flags Type St Inode Path\n"
        "0: 2 0 0 1 1 5\n"
        "0: 2 0 0 1 1 5 @abstract/agent.sock\n"
        "0: 2 0 0 1 1 5 /a b/agent.sock\n"
        "0: 2 0 0 1 1 5 relative/agent.sock\n"
    )
    assert live_sockets(odd) == ["/a b/agent.sock"]


def test_what_is_not_there_forbids_nothing(tmp_path):
    assert known_places(MountTable(), [str(tmp_path / "missing")]) == known_places(MountTable(), [])


def data_folder(path):
    path.mkdir(parents=True)
    for name in ("agent.lock", "state.db"):
        (path / name).touch()
    return path


def test_folders_of_other_agents_are_known_by_what_they_hold(tmp_path):
    table = MountTable()
    other = data_folder(tmp_path / "a/b/c/desk")
    (other / "mlflow").mkdir()
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "state.db").touch()
    for source in (other, other / "mlflow", tmp_path / "a", tmp_path / "a/b/c"):
        assert led_to(table, str(source), []) == str(other)
    assert led_to(table, str(tmp_path / "plain"), []) is None


def test_a_socket_that_nobody_has_bound_any_more_is_found_below(tmp_path, monkeypatch):
    (tmp_path / "x/y").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "x/y")
    server = socket.socket(socket.AF_UNIX)
    server.bind("agent.sock")
    server.close()
    assert led_to(MountTable(), str(tmp_path), []) == str(tmp_path / "x/y/agent.sock")
    (tmp_path / "x/y/agent.sock").unlink()
    (tmp_path / "x/y/agent.sock").touch()  # a file of that name is a file
    assert led_to(MountTable(), str(tmp_path), []) is None


def test_the_look_below_is_bounded_and_nearest_first(tmp_path, monkeypatch):
    monkeypatch.setattr(access, "_LOOK_FOLDERS", 30)
    for number in range(40):
        (tmp_path / f"many/{number}/deep").mkdir(parents=True)
    near = data_folder(tmp_path / "near")
    asked = []
    entries = access._entries
    monkeypatch.setattr(access, "_entries", lambda folder: asked.append(folder) or entries(folder))
    assert led_to(MountTable(), str(tmp_path), []) == str(near)
    asked.clear()
    assert led_to(MountTable(), str(tmp_path / "many"), []) is None
    assert len(asked) <= 30


def test_links_below_are_not_followed(tmp_path):
    data_folder(tmp_path / "desk")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/link").symlink_to(tmp_path / "desk")  # in a container it leads nowhere
    assert led_to(MountTable(), str(tmp_path / "data"), []) is None


def request(source, private, settled=False):
    mounts = [{"source": str(source), "target": "/data", "mode": "ro"}]
    return {"uid": os.getuid(), "private": [str(private)], "settled": settled, "mounts": mounts}


def test_what_was_a_folder_at_submit_and_is_a_link_at_start_is_refused(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "data").symlink_to("real")
    assert run_worker("mlops_desk.jobs.runtimes.local.mounts.access", request(tmp_path / "data", "/x"), 20.0) == [
        str(tmp_path / "real")
    ]
    with pytest.raises(Refused, match="become a link"):
        run_worker("mlops_desk.jobs.runtimes.local.mounts.access", request(tmp_path / "data", "/x", settled=True), 20.0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.parametrize("what", ["folder", "above", "inside"])
def test_a_bind_mount_of_the_data_folder_is_no_way_in(tmp_path, what):
    private, elsewhere = tmp_path / "private/desk", tmp_path / "elsewhere/shown"
    (private / "mlflow").mkdir(parents=True)
    elsewhere.mkdir(parents=True)
    bound = {"folder": private, "above": private.parent, "inside": private / "mlflow"}[what]
    for source in (elsewhere, elsewhere.parent):
        line = f'mount --bind "{bound}" "{elsewhere}" && exec "$0" -m mlops_desk.jobs.runtimes.local.mounts.access'
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", line, sys.executable],
            input=json.dumps(request(source, private)),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd=Path(__file__).parents[3],
        )
        assert "own data" in json.loads(done.stdout)["error"], done.stderr
