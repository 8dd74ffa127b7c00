"""Nobody runs a stranger's code by standing in their folder, whichever way the program is started."""

import csv
import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.end2end.desk import Desk

pytestmark = [pytest.mark.end2end]

ROOT = Path(__file__).resolve().parents[2]
OURS = {"mlops_desk", "mlops_desk_resources", "tests", "sitecustomize", "usercustomize"}
HOOK = "#!/bin/sh\necho git >> {said}\n"
MODULES = (
    *(
        "mlops_desk.machine.telemetry.collector",
        "mlops_desk.serving.gateway.process",
        "mlops_desk.registry.server.process",
    ),
    *("mlops_desk.registry.mlflow.worker", "mlops_desk.registry.mirror.process", "mlops_desk.drift.worker"),
)


class Hostile:
    """A repository with a file for each module that any of our processes might load, each of which notes that it ran."""

    def __init__(self, root: Path) -> None:
        self.folder, self.said = root / "repository", root / "said"
        self.folder.mkdir(parents=True)
        for name in {*sys.stdlib_module_names, *packages_distributions(), *OURS}:
            self.lay(name)
        subprocess.run(["git", "init", "-q", self.folder], check=True, timeout=60)
        hook = root / "hook"
        hook.write_text(HOOK.format(said=self.said))
        hook.chmod(0o755)
        with (self.folder / ".git/config").open("a") as config:
            config.write(
                f"[core]\nfsmonitor = {hook}\nsshCommand = {hook}\npager = {hook}\n[diff]\nexternal = {hook}\n"
            )
        for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"):
            (self.folder / ".git/hooks" / name).symlink_to(hook)
        with (self.folder / "rows.csv").open("w") as file:
            csv.writer(file).writerows([["x", "y"], *([n, n % 7] for n in range(300))])
        (self.folder / "job.yaml").write_text(
            "apiVersion: mlops-desk/v1\nkind: Job\nname: here\nimage: none:1\nsource: {folder: .}\ncommand: [python, x.py]\n"
        )
        (self.folder / "mlops-desk.yaml").write_text(
            "apiVersion: mlops-desk/v1\nkind: Pipeline\nname: p\nstages:\n  - {name: a, image: 'none:1', command: [x]}\n"
        )

    def lay(self, name: str) -> None:
        if name.isidentifier():
            text = f"with open({str(self.said)!r}, 'a') as file:\n    file.write({name!r} + ' ')\n"
            (self.folder / f"{name}.py").write_text(text)

    def ran(self) -> str:
        """Return what was run of it since this was asked last."""
        said = self.said.read_text() if self.said.exists() else ""
        self.said.unlink(missing_ok=True)
        return said


def run(hostile: Hostile, command: list[str], environment: dict[str, str], given: str = "") -> str:
    done = subprocess.run(
        command,
        cwd=hostile.folder,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture
def hostile(tmp_path: Path) -> Hostile:
    return Hostile(tmp_path)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    names = {"MLOPS_DESK_DATA_DIR": "data", "MLOPS_DESK_LEASE_DIR": "leases", "XDG_CONFIG_HOME": "config"}
    return {
        **os.environ,
        **{name: str(tmp_path / place) for name, place in names.items()},
        "QT_QPA_PLATFORM": "offscreen",
    }


def console_script(folder: Path) -> str:
    """Return the command of an installed wheel, as pip writes it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["mlops-desk"].partition(":")
    script = folder / "mlops-desk"
    script.write_text(
        f"#!{sys.executable}\nimport re\nimport sys\nfrom {module} import {function}\nif __name__ == '__main__':\n"
        f"    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])\n    sys.exit({function}())\n"
    )
    script.chmod(0o755)
    return str(script)


def test_no_verb_runs_code_of_the_folder_in_which_one_stands(hostile, environment, tmp_path) -> None:
    desk = Desk(tmp_path / "data", environment)
    script = console_script(tmp_path)
    try:
        assert "CPU" in run(hostile, [script, "status"], environment)
        assert hostile.ran() == ""
        report = [script, "drift", "report", "--reference", "rows.csv", "--current", "rows.csv", "--json"]
        assert json.loads(run(hostile, report, environment))["verdict"] == "ok"
        for words in (
            ["processes"], ["doctor"], ["jobs", "submit", "job.yaml"], ["ci", "run", "."], ["models", "start"],
            ["models", "list"], ["runs", "list"], ["jobs", "schema"],
        ):  # fmt: skip
            assert "Traceback" not in run(hostile, [script, *words], environment)
            assert hostile.ran() == "", words
        agent = desk.json("agent", "status")["pid"]
        assert Path(f"/proc/{agent}/cwd").readlink() == Path("/")
    finally:
        desk.stop()
    assert hostile.ran() == ""


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
