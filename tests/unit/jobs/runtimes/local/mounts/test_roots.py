"""Only what lies in the folders that an administrator names can be mounted."""

import os
import pwd
from pathlib import Path

import pytest

from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.jobs.runtimes.local.factory import MountCheck
from mlops_desk.jobs.runtimes.local.mounts import access
from mlops_desk.kit.base.errors import Refused


def look(source: Path, *roots: str, uid: int | None = None) -> list[str]:
    mount = {"source": str(source), "target": "/x", "mode": "ro"}
    request = {"uid": os.getuid() if uid is None else uid, "private": (), "mounts": [mount], "roots": roots}
    return access.check(request)


def test_what_lies_in_a_root_is_mounted_and_nothing_beside_it(tmp_path: Path) -> None:
    for name in ("data/set", "database", "other"):
        (tmp_path / name).mkdir(parents=True)
    root = str(tmp_path / "data")
    assert look(tmp_path / "data/set", root) == [f"{root}/set"]
    assert look(tmp_path / "data", root) == [root]
    for outside in ("database", "other", "data/../other"):
        with pytest.raises(Refused, match="none of the folders that jobs may mount") as caught:
            look(tmp_path / outside, root, "/srv")
        real = (tmp_path / outside).resolve()
        assert caught.value.command == f"mlops-desk settings set jobs.mount_roots '{root} /srv {real}'"
    with pytest.raises(Refused, match="none of the folders"):
        look(tmp_path / "data/set")


@pytest.mark.parametrize("name", ["two words", "new\nline", "esc\x1b[31m", "x" * 240])
def test_a_folder_that_can_not_be_written_in_the_setting_is_not_put_into_a_command(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(Refused, match="none of the folders") as caught:
        look(tmp_path / name, "/srv/" + "y" * 60)
    assert caught.value.command == "mlops-desk settings show jobs.mount_roots"


def test_a_link_leads_no_way_out_and_a_root_may_be_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "other/set").mkdir(parents=True)
    (tmp_path / "data/link").symlink_to(tmp_path / "other")
    with pytest.raises(Refused, match="none of the folders"):
        look(tmp_path / "data/link/set", str(tmp_path / "data"))
    (tmp_path / "alias").symlink_to(tmp_path / "other")
    assert look(tmp_path / "other/set", str(tmp_path / "alias")) == [str(tmp_path / "other/set")]


def test_the_persons_home_is_a_root_and_that_of_who_has_none_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine/set").mkdir(parents=True)
    account = list(pwd.getpwuid(os.getuid()))
    monkeypatch.setattr(
        pwd, "getpwuid", lambda _uid: pwd.struct_passwd([*account[:5], str(tmp_path / "mine"), "/bin/sh"])
    )
    assert look(tmp_path / "mine/set", "~") == [str(tmp_path / "mine/set")]
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: pwd.struct_passwd([*account[:5], "/", "/bin/sh"]))
    with pytest.raises(Refused, match="none of the folders"):
        look(tmp_path / "mine/set", "~")


def test_a_changed_setting_holds_from_the_next_look_on(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    roots = [str(tmp_path)]
    check = MountCheck(tuple, lambda: roots)
    spec = JobSpec("a", "i", mounts=(Mount(str(tmp_path / "set"), "/x"),))
    assert check(spec, os.getuid(), False) == (str(tmp_path / "set"),)
    roots[:] = ["/srv"]
    with pytest.raises(Refused, match="none of the folders"):
        check(spec, os.getuid(), True)


def test_a_data_set_that_the_desk_made_may_be_read_and_nothing_else_beside_it(tmp_path: Path) -> None:
    data = tmp_path / "desk"
    (data / "datasets" / "one" / "made").mkdir(parents=True)
    for name in ("agent.lock", "state.db"):
        (data / name).touch()
    (data / "datasets" / "out").symlink_to(data)

    def ask(source: Path, mode: str = "ro", made: str | None = str(data / "datasets")) -> list[str]:
        mount = {"source": str(source), "target": "/x", "mode": mode}
        request = {"uid": os.getuid(), "private": (str(data),), "mounts": [mount], "roots": ["/srv"], "made": made}
        return access.check(request)

    wanted = data / "datasets" / "one" / "made"
    assert ask(wanted) == [str(wanted)]
    for source, mode in ((wanted, "rw"), (data, "ro"), (data / "datasets", "ro"), (data / "datasets" / "out", "ro")):
        with pytest.raises(Refused, match="own data"):
            ask(source, mode)
    with pytest.raises(Refused, match="own data"):
        ask(wanted, made=None)
