"""Which files of tests begin first in a run of several processes, and how many examples the gate draws."""

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


def test_the_tests_of_a_file_stay_together_and_in_their_order(tmp_path):
    for name in ("ui/frame/test_window", "end2end/test_exec", "end2end/test_loop"):
        file = tmp_path / "tests" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("def test_one():\n    pass\n\n\ndef test_a_second():\n    pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    env = {"PATH": "/usr/bin:/bin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(PACKAGING)}
    said = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-p", "desk_setup.order", "--collect-only", "-q", "tests"],
        cwd=tmp_path,
        env={**env, "PYTEST_DEBUG_TEMPROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    assert [line.removeprefix("tests/") for line in said.splitlines() if "::" in line] == [
        "end2end/test_loop.py::test_one",
        "end2end/test_loop.py::test_a_second",
        "end2end/test_exec.py::test_one",
        "end2end/test_exec.py::test_a_second",
        "ui/frame/test_window.py::test_one",
        "ui/frame/test_window.py::test_a_second",
    ]


DRAWN = """
import collections
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

drawn = collections.Counter()
numbers = []

@pytest.mark.parametrize('which', ['first', 'second'])
@settings(max_examples=40)
@given(st.integers())
def test_named(which, number):
    drawn[which] += 1

@given(st.integers())
def test_plain(number):
    drawn['plain'] += 1
    numbers.append(number)

class Machine(RuleBasedStateMachine):
    @rule()
    def count(self):
        pass
    def teardown(self):
        drawn['machine'] += 1

TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=2)

def test_told():
    print(sorted(drawn.items()), hash(tuple(numbers)))
"""


def drawn(tmp_path, root, profile):
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_itemcollected\n")
    (tmp_path / "test_drawn.py").write_text(DRAWN)
    return subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-c", "/dev/null", "--rootdir", str(tmp_path), "-sq", str(tmp_path),
         f"--hypothesis-profile={profile}"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root)},
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120,
    ).stdout.splitlines()[0]  # fmt: skip


@pytest.mark.slow
def test_the_gate_draws_the_same_quarter_of_the_examples_each_time(tmp_path, root):
    once, again = drawn(tmp_path, root, "gate"), drawn(tmp_path, root, "gate")
    assert "[('first', 10), ('machine', 15), ('plain', 25), ('second', 10)]" in once
    assert once == again


@pytest.mark.slow
def test_a_run_of_everything_draws_all_examples_anew(tmp_path, root):
    once, again = drawn(tmp_path, root, "desk"), drawn(tmp_path, root, "desk")
    assert "[('first', 40), ('machine', 60), ('plain', 100), ('second', 40)]" in once
    assert once != again
