"""What becomes of an answer that can't be written, and of words in the wrong place."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.desk.cli import agent_commands, commands
from mlops_desk.desk.cli.main import main
from mlops_desk.desk.cli.watch import _Painter
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.job_import import ImportedJob, ImportedJobs, ImportNote
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base import process, wire
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Invalid, Place, Unavailable
from mlops_desk.kit.records.agent import AgentCost, AgentInfo
from mlops_desk.kit.verbs.declaration import Verb
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.status import Status


@pytest.mark.slow
def test_an_answer_that_finds_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mlops_desk", "--data-dir", str(tmp_path), "agent", "status"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "mlops-desk: The answer could not be written: No space left on device.\n"


@pytest.mark.slow
def test_who_closed_stdout_gets_no_answer_and_no_traceback(tmp_path: Path) -> None:
    words = f"exec {sys.executable} -m mlops_desk --data-dir {tmp_path} agent status >&-"
    done = subprocess.run(["sh", "-c", words], stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("gone", [True, False])
def test_an_agent_that_ended_before_it_could_answer_has_ended(
    gone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def shutdown(*, everything: bool) -> None:
        raise Unavailable(f"The agent answered 500 ({everything}).")

    agent = SimpleNamespace(info=lambda: SimpleNamespace(pid=7), shutdown=shutdown)
    monkeypatch.setattr(agent_commands, "_running", lambda _folder: SimpleNamespace(agent=agent, close=lambda: None))
    monkeypatch.setattr(agent_commands, "wait_until_gone", lambda _folder, _seconds: gone)
    assert main(["--data-dir", str(tmp_path), "agent", "stop"]) == (0 if gone else 1)
    told = capsys.readouterr()
    assert ("has ended" in told.out, "500" in told.err) == (gone, not gone)


def test_a_backup_is_restored_though_the_agent_ended_before_it_could_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def shutdown(*, everything: bool = False) -> None:
        raise Unavailable(f"The agent answered 500 ({everything}).")

    def work(_module: str, request: dict[str, str], _seconds: float) -> object:
        name = request.get("name")
        return [{"name": "b1"}] if name is None else {"restored": name, "database": "/d/state.db", "kept_as": None}

    agent = SimpleNamespace(shutdown=shutdown)
    monkeypatch.setattr(agent_commands, "_running", lambda _folder: SimpleNamespace(agent=agent, close=lambda: None))
    monkeypatch.setattr(agent_commands, "wait_until_gone", lambda _folder, _seconds: True)
    monkeypatch.setattr(agent_commands, "run_worker", work)
    assert main(["--data-dir", str(tmp_path), "agent", "restore", "b1"]) == 0
    assert "/d/state.db is now the backup b1. The agent was ended" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["status", "--demo"], "--demo stands before the verb"),
        (["status", "--data-dir=/x"], "--data-dir stands before the verb"),
        (["gpus", "end-process", "abc", "--start-ticks", "5"], "argument PID: invalid int value: 'abc'"),
        (["events", "list", "--", "-1h"], "unrecognized arguments"),
    ],
)
def test_words_in_the_wrong_place_are_told_before_anything_is_done(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_file_is_no_data_folder(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    with pytest.raises(Unavailable, match="is no folder"):
        DataFolder(file).make()
    assert file.read_text() == "mine"


class Following:
    """An agent whose job's log is followed: the lines, and what the job is before and after them."""

    def __init__(self, before: Job, after: Job, lines: Iterator[str]) -> None:
        states = iter([before, after])
        self.jobs = SimpleNamespace(show=lambda _job_id: next(states))
        self.call = lambda _verb, _arguments: lines
        self.close = lambda: None


def follow(monkeypatch: pytest.MonkeyPatch, before: Job, after: Job, *lines: str, words: Sequence[str] = ()) -> int:
    monkeypatch.setattr(commands, "connect", lambda _folder, demo: Following(before, after, iter(lines)))
    return main(["jobs", "logs", "ab12", "--follow", *words])


SPEC = JobSpec("train", "img")
QUEUED = Job("ab12", "train", JobState.QUEUED, SPEC, 100.0, 0, "me", reason=Reason("w", "Waits for 2 GPUs; 1 free."))
RUNNING = replace(QUEUED, state=JobState.RUNNING, reason=None, started_at=200.0)
FAILED = replace(
    RUNNING,
    state=JobState.FAILED,
    ended_at=320.0,
    exit_code=3,
    reason=Reason("x", "The command ended with exit code 3."),
)


def test_a_followed_log_says_what_it_waits_for_and_how_the_job_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert follow(monkeypatch, QUEUED, FAILED, "one", "two") == 0  # the log could be had
    told = capsys.readouterr()
    assert told.out == "one\ntwo\n"
    waits, ends = told.err.splitlines()
    assert waits.startswith("mlops-desk: job ab12 is queued and has not begun")
    assert "Waits for 2 GPUs" in waits
    assert ends == "mlops-desk: job ab12 failed after 2 min with exit code 3: The command ended with exit code 3."


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (replace(FAILED, state=JobState.SUCCEEDED, exit_code=0, reason=None), "job ab12 succeeded after 2 min\n"),
        (replace(FAILED, state=JobState.CANCELLED, exit_code=143, reason=None), "was cancelled after 2 min with exit"),
        (
            replace(FAILED, state=JobState.UNKNOWN, exit_code=None, reason=None),
            "ended, and nobody saw how, after 2 min",
        ),
        (replace(FAILED, started_at=None, exit_code=None), "job ab12 failed: The command"),
    ],
)
def test_every_end_has_its_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], job: Job, said: str
) -> None:
    assert follow(monkeypatch, RUNNING, job) == 0
    assert said in capsys.readouterr().err


def test_a_followed_log_that_breaks_off_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert follow(monkeypatch, RUNNING, RUNNING, "one") == 1
    assert "broke off" in capsys.readouterr().err


def test_for_programs_a_followed_log_is_its_lines_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert follow(monkeypatch, QUEUED, FAILED, "one", words=["--json"]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ('["one"]\n', "")


def test_ctrl_c_ends_with_the_code_that_shells_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_words: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(commands.ACTS, "agent-status", interrupted)
    assert main(["--data-dir", str(tmp_path), "agent", "status"]) == 130


@pytest.mark.parametrize(("folder", "root"), [("desk", "desk/demo"), ("demo", "demo")])
def test_the_demo_has_a_data_folder_of_its_own(
    folder: str, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setitem(commands.ACTS, "agent-status", lambda data, _given, _json: asked.append(data.folder.root) or 0)
    assert main(["--demo", "--data-dir", str(tmp_path / folder), "agent", "status"]) == 0
    assert asked == [tmp_path / root]


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_a_selftest_that_failed_ends_with_1(
    ok: bool, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = {"ok": ok, "checks": [{"name": "window", "ok": ok, "text": "drawn"}]}
    monkeypatch.setattr(process, "run_worker", lambda *_words: document)
    assert main(["--selftest", str(tmp_path)]) == code
    assert capsys.readouterr().out.startswith("ok   window" if ok else "FAIL window")


def test_a_watched_status_is_written_once_for_each_sample(capsys: pytest.CaptureFixture[str]) -> None:
    painter = _Painter(as_json=True)
    for at in (1.0, 1.0, 2.0):
        painter.show(Status((), Host("ws"), (), (), AgentInfo("1", 2.0, AgentCost(), 3, "/data", "i"), at))
    assert [json.loads(line)["sampled_at"] for line in capsys.readouterr().out.splitlines()] == [1.0, 2.0]


def test_what_is_wrong_in_a_file_is_told_with_the_files_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "train.yaml"
    spec.write_text("name: x")

    def call(verb: Verb, arguments: dict[str, Any]) -> None:
        assert (verb.name, arguments["spec"]) == ("submit", "name: x")
        raise Invalid("Line 5, column 9: gpus is a list.", "Expected: 1.", place=Place(5, 9, "gpus"))

    client = SimpleNamespace(call=call, document=call, close=lambda: None)
    monkeypatch.setattr(commands, "connect", lambda *_, **__: client)
    assert main(["--data-dir", str(tmp_path), "jobs", "submit", str(spec)]) == 1
    told = capsys.readouterr().err
    assert told == f"mlops-desk: {spec}: Line 5, column 9: gpus is a list.\n  Expected: 1.\n"
    assert main(["--data-dir", str(tmp_path), "jobs", "submit", str(spec), "--json"]) == 1
    assert json.loads(capsys.readouterr().err) == {
        "error": f"{spec}: Line 5, column 9: gpus is a list.",
        "hint": "Expected: 1.",
        "command": None,
        "place": {"line": 5, "column": 9, "field": "gpus"},
    }


def test_an_error_about_no_place_in_the_file_does_not_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "train.yaml"
    spec.write_text("name: x")

    def call(_verb: Verb, _arguments: dict[str, Any]) -> None:
        raise Invalid("The disk is full.")

    monkeypatch.setattr(commands, "connect", lambda *_, **__: SimpleNamespace(call=call, close=lambda: None))
    assert main(["--data-dir", str(tmp_path), "jobs", "submit", str(spec)]) == 1
    assert capsys.readouterr().err == "mlops-desk: The disk is full.\n"


class Answering:
    """A client that answers one verb, and lists jobs."""

    def __init__(self, answer: object, jobs: Sequence[Job] = ()) -> None:
        self.call = lambda _verb, _arguments: answer
        self.document = lambda _verb, _arguments: wire.to_builtins(answer)
        self.asked: list[object] = []
        self.jobs = SimpleNamespace(list=lambda **given: self.asked.append(given) or list(jobs))

    def close(self) -> None:
        pass


def test_of_a_group_that_was_submitted_all_jobs_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Job("a1", "tune", JobState.QUEUED, JobSpec("tune", "i"), 0.0, 0, "root", group="a1", group_index=0)
    client = Answering(first, [first, replace(first, id="b2", group_index=1)])
    monkeypatch.setattr(commands, "connect", lambda *_, **__: client)
    assert main(["--data-dir", str(tmp_path), "jobs", "submit", "--image", "i"]) == 0
    told = capsys.readouterr().out
    assert told.endswith("Queued 2 jobs as one group: a1 b2\nLook again: mlops-desk jobs list --group a1\n")
    assert client.asked == [{"limit": 1000, "group": "a1"}]
    assert main(["--data-dir", str(tmp_path), "jobs", "submit", "--image", "i", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "a1"


def test_a_job_that_is_alone_has_no_group_to_tell_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Answering(Job("a1", "one", JobState.QUEUED, JobSpec("one", "i"), 0.0, 0, "root"))
    monkeypatch.setattr(commands, "connect", lambda *_, **__: client)
    assert main(["--data-dir", str(tmp_path), "jobs", "submit", "--image", "i"]) == 0
    assert "group" not in capsys.readouterr().out
    assert client.asked == []


def test_job_files_are_printed_and_what_was_lost_is_told_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    note = ImportNote("--privileged", "", True, "Why.")
    client = Answering(ImportedJobs("docker run", (ImportedJob("a", "name: a\n", (note,)),)))
    monkeypatch.setattr(commands, "connect", lambda *_, **__: client)
    words = ["--data-dir", str(tmp_path), "jobs", "import", "--docker-run", "docker run --privileged a"]
    assert main(words) == 0
    told = capsys.readouterr()
    assert told.out == "name: a\n"
    assert told.err == "a (from docker run): 1 lost, 0 changed.\n  lost    --privileged: Why.\n"
    assert main([*words, "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["jobs"][0]["notes"][0]["option"] == "--privileged"
    assert told.err == ""


def test_an_error_in_what_came_from_standard_input_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(_verb: Verb, _arguments: dict[str, Any]) -> Any:
        raise Invalid("Line 5: no.", "Mend it.", place=Place(5))

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"name: x")))
    monkeypatch.setattr(commands, "connect", lambda *_, **__: SimpleNamespace(call=call, close=lambda: None))
    assert main(["--data-dir", str(tmp_path), "jobs", "submit", "-"]) == 1
    assert capsys.readouterr().err == "mlops-desk: standard input: Line 5: no.\n  Mend it.\n"
