"""Nobody runs a stranger's code by standing in their folder, whichever way the program is started."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end2end.desk import Desk
from tests.end2end.hostile_repository import ROOT, Hostile, console_script, environment_of, run

pytestmark = [pytest.mark.end2end]

MODULES = (
    *(
        "mlops_desk.machine.telemetry.collector",
        "mlops_desk.serving.gateway.process",
        "mlops_desk.registry.server.process",
    ),
    *("mlops_desk.registry.mlflow.worker", "mlops_desk.registry.mirror.process", "mlops_desk.drift.worker"),
)


@pytest.fixture
def hostile(tmp_path: Path) -> Hostile:
    return Hostile(tmp_path)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return environment_of(tmp_path)


def test_no_process_of_ours_runs_code_of_the_folder_in_which_one_stands(hostile, environment, tmp_path) -> None:
    from mlops_desk.kit.base.process import python_command

    for module in MODULES:
        run(hostile, python_command(module, "--no-such-option"), environment)
        assert hostile.ran() == "", module
    told = run(hostile, [console_script(tmp_path), "--selftest", "found", "--json"], environment)
    report = json.loads((hostile.folder / "found/selftest.json").read_text())
    assert report["ok"], told
    assert hostile.ran() == ""


def test_python_itself_loads_all_that_it_loads_of_the_folder_before_our_first_line(
    hostile, environment, tmp_path
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first/__main__.py").write_text("import sys; print(' '.join(sys.modules))")
    told = subprocess.run(
        [sys.executable, "-m", "first"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    for name in [*told.stdout.split(), "mlops_desk"]:  # what `python -m` loads from there, whatever it is to run
        (hostile.folder / f"{name}.py").unlink(missing_ok=True)
    desk = Desk(tmp_path / "data", environment)
    try:
        assert "CPU" in run(hostile, [sys.executable, "-m", "mlops_desk", "status"], environment)
    finally:
        desk.stop()
    assert hostile.ran() == ""


def test_pythonpath_of_the_caller_counts_for_none_of_our_processes(hostile, environment, tmp_path) -> None:
    launcher = (ROOT / "packaging/deb/files/launcher").read_text().replace("/opt/mlops-desk/bin/python", sys.executable)
    (tmp_path / "launcher").write_text(launcher)
    desk = Desk(tmp_path / "data", environment)
    told = ["sh", str(tmp_path / "launcher"), "status"]
    try:
        assert "CPU" in run(hostile, told, {**environment, "PYTHONPATH": ".:/nowhere:"})
    finally:
        desk.stop()
    assert hostile.ran() == ""


def test_a_command_that_a_person_runs_has_their_own_python(environment, tmp_path) -> None:
    (tmp_path / "work/lib").mkdir(parents=True)
    (tmp_path / "work/lib/theirs.py").write_text("NAME = 'theirs'")
    (tmp_path / "work/beside.py").write_text("NAME = 'beside'")
    (tmp_path / "work/train.py").write_text("import beside, theirs; print(beside.NAME, theirs.NAME)")
    launcher = (ROOT / "packaging/deb/files/launcher").read_text().replace("/opt/mlops-desk/bin/python", sys.executable)
    (tmp_path / "launcher").write_text(launcher)
    desk = Desk(tmp_path / "data", environment)
    words = ["sh", str(tmp_path / "launcher"), "exec", "--", sys.executable, "train.py"]
    try:
        done = subprocess.run(
            words, cwd=tmp_path / "work", env={**environment, "PYTHONPATH": "lib"}, capture_output=True, text=True,
            timeout=900, check=False,
        )  # fmt: skip
    finally:
        desk.stop()
    assert done.stdout == "beside theirs\n", done.stderr


def test_setting_up_runs_no_code_of_the_folder_in_which_one_stands(hostile, environment) -> None:
    told = run(hostile, [sys.executable, str(ROOT / "packaging/bootstrap.py")], environment)
    assert "bootstrap.py run" in told
    asked = (
        "import sys; sys.path[0] = sys.argv.pop(1)\n"
        "from desk_setup import environment, interpreter, needs\n"
        "import pathlib; python = sys.argv[1]; place = pathlib.Path(sys.argv[2])\n"
        "print(needs.missing(interpreter.for_venv(python)))\n"
        "(place / 'lock').write_text(''); environment.working_uv = lambda: None\n"
        "environment.make(python, place / 'lock', place / 'venv')\n"
    )
    place = hostile.said.parent / "made"
    place.mkdir()
    script = place / "asked.py"
    script.write_text(asked)
    told = run(hostile, [sys.executable, str(script), str(ROOT / "packaging"), sys.executable, str(place)], environment)
    assert "The environment is ready" in told, told
    assert hostile.ran() == ""
