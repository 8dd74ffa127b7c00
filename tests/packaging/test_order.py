"""Which files of tests begin first in a run of several processes."""

import subprocess
import sys
from pathlib import Path

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
    """As the set-up begins them: `tests/…` below the folder that pytest is run in."""
    for name in ("ui/frame/test_window", "end2end/test_exec", "end2end/test_loop"):
        file = tmp_path / "tests" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("def test_one():\n    pass\n\n\ndef test_a_second():\n    pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-P", "-m", "pytest", "-p", "desk_setup.order", "--collect-only", "-q", "tests"]
    said = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(PACKAGING)},
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
