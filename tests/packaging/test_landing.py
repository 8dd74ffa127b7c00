"""Which end-to-end files a landing may not leave out: a third by its number, and those of rooms that a change touches."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from desk_setup import landing, left_out, order
from desk_setup.account import Account
from desk_setup.checks import Outcome
from desk_setup.landing import Landing

PACKAGING = Path(landing.__file__).resolve().parent.parent
LATE = "Skipped: not begun: the time of this run was up"


@pytest.fixture(scope="module")
def files(root):
    return [
        path.relative_to(root / "tests").with_suffix("").as_posix()
        for path in (root / "tests/end2end").rglob("test_*.py")
    ]


@pytest.fixture
def house(tmp_path):
    """A small program with tests, and the landing that began on it."""
    for name in ("mlops_desk/drift/worker", "mlops_desk/jobs/spec", "mlops_desk/base/text", "mlops_desk/verbs/drift",
                 "tests/end2end/test_drift_alarm", "tests/end2end/test_jobs", "tests/end2end/test_exec",
                 "tests/end2end/test_serving_pause", "tests/end2end/test_bars", "tests/unit/test_a"):  # fmt: skip
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("def test_one():\n    pass\n")
    (tmp_path / ".ci").mkdir()
    Landing(1, landing.prints(tmp_path)).write(tmp_path / ".ci" / "landing.json")
    return tmp_path


HOUSE = [
    "end2end/test_drift_alarm",
    "end2end/test_jobs",
    "end2end/test_exec",
    "end2end/test_serving_pause",
    "end2end/test_bars",
]


def touched(house):
    return order.Owed.at(house / ".ci" / "landing.json", HOUSE).touched


def test_of_three_landings_in_a_row_each_file_is_due_at_one_and_none_has_much_more_than_a_third(files):
    for first in (1, 2, 30):
        turns = [Landing(number, {}).due(files) for number in range(first, first + 3)]
        assert sorted(name for turn in turns for name in turn) == sorted(files)
        assert max(len(turn) for turn in turns) < len(files) * 0.45


def test_another_file_moves_no_turn(files):
    assert Landing(1, {}).due([*files, "end2end/test_new"]) - {"end2end/test_new"} == Landing(1, {}).due(files)


def test_each_file_tries_a_room_and_each_room_has_a_file(root, files):
    assert [name for name in files if not landing.rooms_of(name)] == []
    tried = {room for name in files for room in landing.rooms_of(name)}
    packages = {path.parent.name for path in (root / "mlops_desk").glob("*/__init__.py")}
    assert packages - {"base", "records", "verbs"} == set(landing.ROOMS) == tried
    short = [name.removeprefix("end2end/").removeprefix("test_") for name in files]
    beginnings = {begin for begins in landing.ROOMS.values() for begin in begins}
    assert [begin for begin in beginnings if not any(name.startswith(begin) for name in short)] == []


def test_a_change_touches_the_files_of_its_rooms_and_those_it_writes(house):
    assert touched(house) == set()
    (house / "mlops_desk/jobs/spec.py").write_text("SPEC = 1\n")
    assert touched(house) == {"end2end/test_jobs", "end2end/test_exec", "end2end/test_bars"}
    (house / "tests/end2end/test_serving_pause.py").write_text("def test_other():\n    pass\n")
    assert touched(house) == {
        "end2end/test_jobs",
        "end2end/test_exec",
        "end2end/test_bars",
        "end2end/test_serving_pause",
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda program: (program / "verbs/drift.py").write_text("VERBS = 1\n"),
        lambda program: (program / "drift/new.py").write_text(""),
        lambda program: (program / "drift/worker.py").unlink(),
        lambda program: (program / "drift/worker.py").rename(program / "drift/works.py"),
    ],
    ids=["a verb", "a new module", "a module that is gone", "a module of another name"],
)
def test_whatever_is_done_to_a_room_touches_it(house, change):
    change(house / "mlops_desk")
    assert touched(house) == {"end2end/test_drift_alarm"}


def test_a_room_that_is_gone_is_touched(house):
    shutil.rmtree(house / "mlops_desk/jobs")
    assert touched(house) == {"end2end/test_jobs", "end2end/test_exec", "end2end/test_bars"}


def test_what_every_room_stands_on_touches_none(house):
    (house / "mlops_desk/base/text.py").write_text("TEXT = 1\n")
    assert touched(house) == set()


def test_what_is_due_comes_before_what_is_touched_and_that_before_the_rest():
    names = ["end2end/test_exec", "end2end/test_kills", "end2end/test_agent", "end2end/test_watch", "end2end/test_bars"]
    owed = order.Owed(frozenset({"end2end/test_watch"}), frozenset({"end2end/test_bars"}))
    assert sorted(["end2end/test_loop", *names], key=order.before_an_end(["end2end/test_loop", *names], 12, owed)) == [
        *("end2end/test_loop", "end2end/test_agent"),
        *("end2end/test_watch", "end2end/test_bars", "end2end/test_exec", "end2end/test_kills"),
    ]


@pytest.mark.parametrize("at_once", [(), ("-p", "xdist", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_after_the_end_what_is_due_runs_and_no_other_that_may_wait(house, number, at_once):
    Landing(number, landing.prints(house)).write(house / ".ci" / "landing.json")
    never_wait = {"end2end/test_drift_alarm", "end2end/test_jobs"}
    ran = begun(house, *at_once, f"--begin-until={time.time() - 17 * 60}")
    assert ran == never_wait | Landing(number, {}).due(HOUSE)
    assert begun(house, *at_once, f"--begin-until={time.time() - 21 * 60}") == never_wait, "twenty minutes more"


def test_what_is_touched_begins_for_a_quarter_of_an_hour_after_the_end_of_the_rest(house):
    Landing(4, landing.prints(house)).write(house / ".ci" / "landing.json")
    (house / "mlops_desk/jobs/spec.py").write_text("SPEC = 1\n")
    due, mine = Landing(4, {}).due(HOUSE), {"end2end/test_drift_alarm", "end2end/test_jobs"}
    assert begun(house, f"--begin-until={time.time() - 17 * 60}") == due | mine
    assert begun(house, f"--begin-until={time.time() - 60}") == due | mine | {"end2end/test_exec", "end2end/test_bars"}


def begun(house, *arguments):
    """Run the tests of a house as the set-up does, and return the end-to-end files that were not left out."""
    (house / "pytest.ini").write_text("[pytest]\n")
    account = house / "account.json"
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-p", "desk_setup.order", "-p", "desk_setup.bookkeeper", *arguments,
         f"--account={account}", f"--landing={house / '.ci' / 'landing.json'}", "tests/end2end"],
        cwd=house,
        env={"PATH": "/usr/bin:/bin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(PACKAGING),
             "PYTEST_DEBUG_TEMPROOT": str(house)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {order.named(name) for name in json.loads(account.read_text())["ran"]}


def complaints(house, *late):
    account = Account(
        ran=["tests/unit/test_a.py::test_one"], skipped={f"tests/{name}.py::test_one": LATE for name in late}
    )
    said = left_out.complaints([account], house / "tests", number=house / ".ci" / "landing.json")
    return [one for one in said if "no test came" not in one]


def test_a_file_that_was_due_and_did_not_run_fails_the_run(house):
    late = sorted(Landing(1, {}).due(HOUSE))
    assert late
    assert complaints(house, *late) == [f"not run for three landings: tests/{name}.py::test_one" for name in late]
    assert complaints(house, *(set(HOUSE) - set(late))) == []


def test_a_landing_that_nobody_began_fails_the_run_where_something_was_left_to_the_next(house, monkeypatch):
    git = ["git", "-C", str(house), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", ".ci"], check=True)
    subprocess.run([*git, "commit", "-qm", "Begin a landing"], check=True)
    waits = sorted(set(HOUSE) - Landing(1, {}).due(HOUSE))
    monkeypatch.setattr(landing, "MOST_COMMITS", 2)
    for _ in range(2):
        subprocess.run([*git, "commit", "-qm", "Change", "--allow-empty"], check=True)
    assert complaints(house, *waits) == []
    subprocess.run([*git, "commit", "-qm", "Change", "--allow-empty"], check=True)
    assert complaints(house) == [], "nothing was left to the next"
    assert [
        one for one in complaints(house, *waits) if one.startswith("3 commits since this landing was begun, 2 may be")
    ]


def test_the_run_names_each_file_that_did_not_begin_and_which_of_them_the_change_touches(house, monkeypatch):
    monkeypatch.setattr(landing, "FILE", house / ".ci" / "landing.json")
    (house / "mlops_desk/jobs/spec.py").write_text("SPEC = 1\n")
    skipped = {f"tests/end2end/{name}.py::test_one": LATE for name in ("test_exec", "test_serving_pause")}
    said = "\n".join(Outcome(accounts=[Account(skipped=skipped)]).sentences(strict=False)).splitlines()
    assert "  - end2end/test_exec, of a room that this change touches" in said
    assert "  - end2end/test_serving_pause, whose turn it was" in said


def test_the_next_landing_has_the_next_number_and_what_landed_is_no_change_of_it(house, monkeypatch, capsys):
    file = house / ".ci" / "landing.json"
    monkeypatch.setattr(landing, "FILE", file)
    monkeypatch.setattr(landing, "ROOT", house)
    (house / "mlops_desk/jobs/spec.py").write_text("SPEC = 1\n")
    assert touched(house)
    landing.main()
    assert Landing.read(file).number == 2
    assert touched(house) == set()
    assert "Landing 2 begins" in capsys.readouterr().out


def test_the_landing_of_this_copy_can_be_read(root):
    this = Landing.read(root / ".ci" / "landing.json")
    assert this.number >= 1
    assert set(landing.ROOMS) <= this.prints.keys()
