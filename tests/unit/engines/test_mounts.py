"""Whose folders a container may see."""

import os
import pwd
import socket
from pathlib import Path

import pytest

from mlops_desk.engines import mounts
from mlops_desk.engines.mounts import check_mounts, container_uid
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import Refused


def check(source: Path | str, mode: str = "ro", user: str | None = None, target: str = "/data") -> tuple[Mount, ...]:
    return check_mounts([Mount(str(source), target, mode)], user)


def test_links_are_resolved_before_they_are_judged(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "good").symlink_to("real")
    (tmp_path / "bad").symlink_to("/etc")
    assert check(tmp_path / "good") == (Mount(str(tmp_path / "real"), "/data", "ro"),)
    with pytest.raises(Refused, match="system folder"):
        check(tmp_path / "bad")


def test_homes_are_for_their_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = tmp_path / "home/me", tmp_path / "home/them"
    (mine / "data").mkdir(parents=True)
    (theirs / "data").mkdir(parents=True)
    me = os.getuid()
    entries = [
        pwd.struct_passwd((name, "x", uid, uid, "", str(home), "/bin/sh"))
        for name, uid, home in (("me", me, mine), ("them", me + 2000, theirs))
    ]
    monkeypatch.setattr(pwd, "getpwall", lambda: entries)
    assert check(mine / "data", "rw", str(me))
    for source in (theirs / "data", theirs, tmp_path / "home"):
        with pytest.raises(Refused, match="home"):
            check(source, user=str(me))


def test_the_user_is_the_number_or_who_asks() -> None:
    set_caller(Caller(4321, 4321, 1))
    try:
        assert container_uid("1000:100") == 1000
        assert container_uid(None) == container_uid("nobody") == 4321
    finally:
        set_caller(Caller(os.getuid(), os.getgid(), os.getpid()))


def test_a_mount_does_not_jump_over_closed_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "closed" / "open"
    inner.mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to("/tmp/pytest-of-" + pwd.getpwuid(os.getuid()).pw_name):
            folder.chmod(0o755)
    stranger = str(os.getuid() + 4321)
    assert check(inner, user=stranger)
    (tmp_path / "closed").chmod(0o700)
    with pytest.raises(Refused, match="no access"):
        check(inner, user=stranger)
    assert check(inner, user=str(os.getuid()))


def test_sockets_and_folders_with_an_engines_socket_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("some.sock")
        with pytest.raises(Refused, match="socket"):
            check(tmp_path / "some.sock")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/docker.sock").touch()
    with pytest.raises(Refused, match="socket"):
        check(tmp_path / "d")


def test_system_programs_are_read_only(tmp_path: Path) -> None:
    assert check("/usr/share")
    with pytest.raises(Refused, match="read-only"):
        check("/usr/share", "rw")


@pytest.mark.parametrize(
    "target", ["/", "//", "data", "/a/../b", "/proc/x", "//proc", "/dev/shm", "//dev", "/sys", "//sys/fs"]
)
def test_targets_that_would_hide_the_containers_own(tmp_path: Path, target: str) -> None:
    with pytest.raises(Refused):
        check(tmp_path, target=target)


def test_two_mounts_need_two_targets(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Two mounts"):
        check_mounts([Mount(str(tmp_path), "/a"), Mount(str(tmp_path), "/a/")], None)
    with pytest.raises(Refused, match="Two mounts"):
        check_mounts([Mount(str(tmp_path), "/a"), Mount(str(tmp_path), "//a")], None)


def test_every_closed_folder_is_judged_by_its_real_place() -> None:
    for closed in mounts._CLOSED:
        if Path(closed).exists():
            with pytest.raises(Refused):
                check(closed)
