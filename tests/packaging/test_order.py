"""Which files of tests begin first in a run of several processes."""

import subprocess
import sys
from pathlib import Path

import pytest
from desk_setup import order

PACKAGING = Path(order.__file__).resolve().parent.parent


def test_the_slow_come_first_then_the_rest_end_to_end_then_pages():
    files = ["ui/frame/test_window", "end2end/test_exec", "packaging/test_room", "end2end/test_truce",
             "ui/look/test_text", "cluster/test_new", "end2end/test_loop"]  # fmt: skip
    assert sorted(files, key=order.rank) == [
        *("end2end/test_loop", "ui/look/test_text", "end2end/test_truce"),
        *("end2end/test_exec", "cluster/test_new"),
        *("ui/frame/test_window", "packaging/test_room"),
    ]


def test_each_slow_file_is_there(root):
    assert [name for name in order.SLOWEST if not (root / "tests" / f"{name}.py").is_file()] == []
    assert len(set(order.SLOWEST)) == len(order.SLOWEST)


def test_each_room_has_a_file_that_no_run_leaves_out(root):
    assert [name for name in order.MAIN if not (root / "tests" / f"{name}.py").is_file()] == []
    rooms = ("agent", "job", "registry", "serving", "drift", "rules", "governance", "leases", "nvml", "main_path")
    assert [room for room in rooms if not any(room in name for name in order.MAIN)] == []


SOME = ["end2end/test_exec", "ui/look/test_text", "end2end/test_kills", "end2end/test_loop", "end2end/test_agent",
        "ui/frame/test_window", "end2end/test_main_path", "end2end/test_bars", "end2end/test_ci", "end2end/test_watch"]  # fmt: skip


def test_before_an_end_the_loop_comes_first_then_what_may_not_wait_then_others_by_the_day():
    assert sorted(SOME, key=order.before_an_end(SOME, day=12)) == [
        "end2end/test_loop",
        *("end2end/test_agent", "end2end/test_main_path", "ui/look/test_text", "ui/frame/test_window"),
        *("end2end/test_exec", "end2end/test_kills", "end2end/test_bars", "end2end/test_ci", "end2end/test_watch"),
    ]
    assert sorted(SOME, key=order.before_an_end(SOME, day=14))[5:] == [
        *("end2end/test_ci", "end2end/test_watch"),
        *("end2end/test_exec", "end2end/test_kills", "end2end/test_bars"),
    ]


def test_within_three_days_each_file_that_may_wait_has_been_among_the_first_of_these(root):
    files = [str(path.relative_to(root / "tests"))[:-3] for path in sorted((root / "tests").rglob("test_*.py"))]
    others = [name for name in files if order.may_wait(name) and name != "end2end/test_loop"]
    seen = set()
    for day in range(20, 23):
        in_order = sorted(files, key=order.before_an_end(files, day))
        seen |= set(in_order[-len(others) :][: len(others) // 3 + 1])
    assert seen == set(others)


@pytest.mark.parametrize("at_once", [(), ("-p", "xdist", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")])
def test_after_the_end_nothing_begins_that_may_wait_and_what_may_not_does(tmp_path, at_once):
    names = ("ui/frame/test_window", "end2end/test_exec", "end2end/test_loop", "end2end/test_agent")
    said = in_a_folder(tmp_path, names, *at_once, "-rs", "--begin-until=1000000000")
    assert "4 passed, 4 skipped" in said
    assert "not begun: the time of this run was up" in said
    assert "8 passed" in in_a_folder(tmp_path, names, *at_once, "--begin-until=99999999999")


def in_a_folder(tmp_path, names, *arguments):
    """Run pytest on files of two tests each, as the set-up begins them: `tests/…` below the folder it is run in."""
    for name in names:
        file = tmp_path / "tests" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("def test_one():\n    pass\n\n\ndef test_a_second():\n    pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    env = {"PATH": "/usr/bin:/bin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(PACKAGING)}
    return subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-p", "desk_setup.order", *arguments, "tests"],
        cwd=tmp_path,
        env={**env, "PYTEST_DEBUG_TEMPROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout


def test_the_tests_of_a_file_stay_together_and_in_their_order(tmp_path):
    names = ("ui/frame/test_window", "end2end/test_exec", "end2end/test_loop")
    said = in_a_folder(tmp_path, names, "--collect-only", "-q")
    assert [line.removeprefix("tests/") for line in said.splitlines() if "::" in line] == [
        "end2end/test_loop.py::test_one",
        "end2end/test_loop.py::test_a_second",
        "end2end/test_exec.py::test_one",
        "end2end/test_exec.py::test_a_second",
        "ui/frame/test_window.py::test_one",
        "ui/frame/test_window.py::test_a_second",
    ]


def test_the_short_profile_draws_a_quarter_also_of_a_number_that_a_test_names(tmp_path, root):
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_itemcollected\n")
    (tmp_path / "test_drawn.py").write_text(
        "import collections\n"
        "import pytest\n"
        "from hypothesis import given, settings, strategies as st\n"
        "from hypothesis.stateful import RuleBasedStateMachine, rule\n"
        "drawn = collections.Counter()\n"
        "@pytest.mark.parametrize('which', ['first', 'second'])\n"
        "@settings(max_examples=40)\n"
        "@given(st.integers())\n"
        "def test_named(which, number):\n"
        "    drawn[which] += 1\n"
        "@given(st.integers())\n"
        "def test_plain(number):\n"
        "    drawn['plain'] += 1\n"
        "class Machine(RuleBasedStateMachine):\n"
        "    @rule()\n"
        "    def count(self):\n"
        "        pass\n"
        "    def teardown(self):\n"
        "        drawn['machine'] += 1\n"
        "TestMachine = Machine.TestCase\n"
        "TestMachine.settings = settings(max_examples=60, stateful_step_count=2)\n"
        "def test_told():\n"
        "    print(sorted(drawn.items()))\n"
    )
    for profile, said in (
        ("short", "[('first', 10), ('machine', 15), ('plain', 25), ('second', 10)]"),
        ("desk", "[('first', 40), ('machine', 60), ('plain', 100), ('second', 40)]"),
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pytest", "-c", "/dev/null", "--rootdir", str(tmp_path), "-sq", str(tmp_path),
             f"--hypothesis-profile={profile}"],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root)},
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert said in done.stdout, done.stdout + done.stderr
