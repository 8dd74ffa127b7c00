"""What becomes of an answer that can't be written, and of words in the wrong place."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_desk.base.errors import Unavailable
from mlops_desk.base.paths import DataFolder
from mlops_desk.cli import acts
from mlops_desk.cli.main import main


def test_an_answer_that_finds_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mlops_desk", "--data-dir", str(tmp_path), "agent", "status"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "mlops-desk: The answer could not be written: No space left on device.\n"


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
    monkeypatch.setattr(acts, "_running", lambda _folder: SimpleNamespace(agent=agent, close=lambda: None))
    monkeypatch.setattr(acts, "wait_until_gone", lambda _folder, _seconds: gone)
    assert main(["--data-dir", str(tmp_path), "agent", "stop"]) == (0 if gone else 1)
    told = capsys.readouterr()
    assert ("has ended" in told.out, "500" in told.err) == (gone, not gone)


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
