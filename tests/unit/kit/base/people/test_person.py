"""A worker on somebody's behalf is that person before it loads anything, and never again anybody else."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlops_desk
from mlops_desk.kit.base import interpreter
from mlops_desk.kit.base.errors import Refused, TimedOut, Unavailable
from mlops_desk.kit.base.people.person import person
from mlops_desk.kit.base.process import run_command, run_worker
from tests.interpreter import interpreter as python_for_tests

NOBODY = 65534
STRANGER = 54_321  # no account of this machine
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

WORKER = """
import os, time
from mlops_desk.kit.base.process import serve_one

def work(request):
    if request["do"] == "hang":
        time.sleep(60)
    if request["do"] == "write":
        os.close(os.open(request["path"], os.O_WRONLY | os.O_CREAT, 0o666))
    if request["do"] == "read":
        open(request["path"]).close()
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    try:
        os.setuid(0)
        back = True
    except PermissionError:
        back = False
    return {
        "uids": os.getresuid(), "gids": os.getresgid(), "groups": sorted(os.getgroups()), "back": back,
        "no_new_privileges": status["NoNewPrivs"].strip(), "capabilities": int(status["CapEff"], 16),
        "environment": dict(os.environ), "umask": os.umask(0), "folder": os.getcwd(), "leads": os.getsid(0) == os.getpid(),
    }

serve_one(work)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that anybody may enter, as pytest's own is not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def worker(place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A worker that anybody may load, run by an interpreter that anybody may run."""
    (place / "the_worker.py").write_text(textwrap.dedent(WORKER))
    package = Path(mlops_desk.__file__).parent  # it may lie in a home that is closed to others
    shutil.copytree(package / "kit/base", place / "mlops_desk/kit/base")
    for folder in ("", "kit"):
        shutil.copy(package / folder / "__init__.py", place / "mlops_desk" / folder)
    monkeypatch.setattr(interpreter, "PROGRAM", str(place / "mlops_desk/kit/base/interpreter.py"))
    for program in (sys.executable, "/usr/bin/python3"):
        if run_command([program, "-c", ""], 20, as_person=person(NOBODY)).code == 0:
            monkeypatch.setattr(sys, "executable", python_for_tests(place / "python", place, program=program))
            return "the_worker"
    pytest.fail("no interpreter here that everybody may run")


@as_root
def test_a_worker_is_the_person_and_has_no_way_back(worker: str) -> None:
    told = run_worker(worker, {"do": "tell"}, 20, as_uid=NOBODY)
    assert told["uids"] == [NOBODY] * 3
    assert told["gids"] == [NOBODY] * 3
    assert told["groups"] == [NOBODY]
    assert (told["back"], told["no_new_privileges"], told["capabilities"]) == (False, "1", 0)
    assert (told["umask"], told["folder"], told["leads"]) == (0o077, "/", True)


@as_root
def test_nothing_of_the_agents_environment_goes_along(worker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_SECRET", "s3cr3t")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/0")
    monkeypatch.setenv("LANG", "C.UTF-8")
    told = run_worker(worker, {"do": "tell"}, 20, {"MORE": "1"}, as_uid=NOBODY)["environment"]
    assert (told["HOME"], told["USER"], told["LOGNAME"]) == ("/nonexistent", "nobody", "nobody")
    assert (told["LANG"], told["MORE"]) == ("C.UTF-8", "1")
    assert not {"DESK_SECRET", "XDG_RUNTIME_DIR", "HOSTNAME"} & told.keys()


@as_root
def test_what_it_may_and_leaves_is_the_persons(worker: str, place: Path) -> None:
    (place / "roots").write_text("x")
    (place / "roots").chmod(0o600)
    with pytest.raises(Unavailable, match="Permission denied"):
        run_worker(worker, {"do": "read", "path": str(place / "roots")}, 20, as_uid=NOBODY)
    (place / "theirs").mkdir()
    os.chown(place / "theirs", NOBODY, NOBODY)
    run_worker(worker, {"do": "write", "path": str(place / "theirs/new")}, 20, as_uid=NOBODY)
    facts = (place / "theirs/new").stat()
    assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (NOBODY, NOBODY, 0o600)


@as_root
def test_nothing_that_is_installed_is_loaded_before_it_is_the_person(worker: str, place: Path) -> None:
    (place / "who").touch(mode=0o666)
    (place / "who").chmod(0o666)
    note = f'import os\nwith open("{place}/who", "a") as file: file.write(f"{{os.getuid()}} ")\n'
    (place / "noted.py").write_text(note)
    (next((place / "python").rglob("site-packages")) / "who.pth").write_text(f"{place}\nimport noted\n")
    run_worker(worker, {"do": "tell"}, 20, as_uid=NOBODY)
    assert set((place / "who").read_text().split()) == {str(NOBODY)}


@as_root
def test_a_uid_without_an_account_has_no_groups_and_no_home(worker: str) -> None:
    told = run_worker(worker, {"do": "tell"}, 20, as_uid=STRANGER)
    assert (told["uids"], told["gids"], told["groups"]) == ([STRANGER] * 3, [STRANGER] * 3, [])
    assert told["environment"]["HOME"] == "/"


@pytest.mark.slow
@as_root
def test_a_persons_worker_that_hangs_is_ended(worker: str) -> None:
    with pytest.raises(TimedOut):
        run_worker(worker, {"do": "hang"}, 1.0, as_uid=NOBODY)


@as_root
def test_a_program_that_lends_roots_rights_lends_none(place: Path) -> None:
    program = place / "id"
    shutil.copy(shutil.which("id") or "/usr/bin/id", program)
    program.chmod(0o4755)
    lent = subprocess.run([program, "-u"], user=NOBODY, capture_output=True, text=True, check=True, timeout=20)
    assert lent.stdout.strip() in {"0", str(NOBODY)}  # the latter where set-uid programs don't count at all
    done = run_command([str(program), "-u"], 20, as_person=person(NOBODY))
    assert (done.code, done.output.decode().strip()) == (0, str(NOBODY))


@as_root
def test_a_program_that_the_person_may_not_run_is_told_of(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    shutil.copy("/bin/true", tmp_path / "true")
    done = run_command([str(tmp_path / "true")], 20, as_person=person(NOBODY))
    assert done.code == 125
    assert f"{tmp_path}/true can't be run as uid 65534: Permission denied." in done.errors.decode()


@as_root
def test_a_group_that_is_not_theirs_is_refused() -> None:
    with pytest.raises(Refused, match="nobody is not in group 0"):
        run_worker("never_started", {}, 20, as_uid=NOBODY, as_gid=0)
    assert person(NOBODY, NOBODY).gid == NOBODY


def test_an_agent_that_is_not_root_refuses_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(
        Refused, match="Only an agent that runs as root can act as uid 65534; this one runs as uid 1000"
    ):
        run_worker("never_started", {}, 20, as_uid=NOBODY)
    assert person(1000).uid == 1000
