"""Strangers' code and files: nobody runs what lies in the current folder, and no job reads the files of the desk's user."""

import json
from pathlib import Path

import pytest

from tests.end2end.desk import Desk
from tests.end2end.hostile_repository import Hostile, console_script, environment_of, run
from tests.end2end.served_registry import GUARD, Served, trap

pytestmark = [pytest.mark.end2end]


@pytest.fixture
def hostile(tmp_path: Path) -> Hostile:
    return Hostile(tmp_path)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return environment_of(tmp_path)


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


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = Served(tmp_path_factory.mktemp("desk"), GUARD, None)
    yield made
    made.close()


def test_nothing_makes_the_server_open_files_of_its_user(served, tmp_path):
    status, text = trap(served, tmp_path)
    assert status == 403
    assert "not in this server's own store" in text
    assert tmp_path.name in text
