"""What lies on disk of a bare process: read back as written, its owner's alone, and nothing believed that is not its own."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.jobs.records.job import Attempt, JobState
from mlops_desk.jobs.runtimes.bare.process_files import BareProcess, ProcessPapers
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.base.process import boot_id, start_ticks

ATTEMPT = Attempt(1, "j1-a1", "", JobState.STARTING, runtime="bare", handle="bare-j1-a1")


@pytest.fixture
def papers(tmp_path: Path) -> ProcessPapers:
    return ProcessPapers(tmp_path / "jobs")


def test_a_process_that_registered_is_known_by_any_later_agent(papers: ProcessPapers, tmp_path: Path) -> None:
    assert papers.process("j1") is None
    papers.register("j1", os.getpid())
    found = ProcessPapers(tmp_path / "jobs").process("j1")
    assert found == BareProcess(os.getpid(), start_ticks(os.getpid()) or 0, boot_id())
    assert found.lives()
    assert not replace(found, boot_id="another").lives()
    assert not replace(found, start_ticks=found.start_ticks + 1).lives()


def test_a_pid_that_nobody_has_is_refused(papers: ProcessPapers) -> None:
    with pytest.raises(Invalid, match="There is no process 4194305"):
        papers.register("j1", 4_194_305)


def test_a_folder_that_can_t_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("a file")
    with pytest.raises(Unavailable, match="can't be noted"):
        ProcessPapers(tmp_path / "jobs").register("j1", os.getpid())


def test_what_it_begins_with_is_its_owners_alone_until_it_is_forgotten(papers: ProcessPapers, tmp_path: Path) -> None:
    assert not papers.granted("j1", ATTEMPT)
    papers.grant("j1", ATTEMPT, {"CUDA_VISIBLE_DEVICES": "GPU-1", "TOKEN": "secret"}, os.getuid())
    place = tmp_path / "jobs/j1/a1/environment.json"
    assert json.loads(place.read_text()) == {"CUDA_VISIBLE_DEVICES": "GPU-1", "TOKEN": "secret"}
    assert place.stat().st_mode & 0o777 == 0o400
    assert papers.granted("j1", ATTEMPT)
    papers.forget_secrets("j1", ATTEMPT)
    papers.forget_secrets("j1", ATTEMPT)
    assert not papers.granted("j1", ATTEMPT)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"attempt": "j1-a1", "exit_code": 3, "started_at": 1.5, "ended_at": 2.5, "signal": "TERM"}', 3),
        ('{"attempt": "j2-a1", "exit_code": 3}', None),
        ('{"attempt": "j1-a1", "exit_code": 256}', None),
        ("{", None),
        ("", None),
    ],
)
def test_only_its_own_outcome_is_believed(papers: ProcessPapers, tmp_path: Path, text: str, code: int | None) -> None:
    folder = tmp_path / "jobs/j1/a1"
    folder.mkdir(parents=True)
    assert papers.outcome("j1", ATTEMPT) is None
    (folder / "outcome.json").write_text(text)
    found = papers.outcome("j1", ATTEMPT)
    assert (None if found is None else found.exit_code) == code


def test_an_outcome_behind_a_link_or_in_a_pipe_is_none(papers: ProcessPapers, tmp_path: Path) -> None:
    folder = tmp_path / "jobs/j1/a1"
    folder.mkdir(parents=True)
    (tmp_path / "real").write_text('{"attempt": "j1-a1", "exit_code": 0}')
    (folder / "outcome.json").symlink_to(tmp_path / "real")
    assert papers.outcome("j1", ATTEMPT) is None
    (folder / "outcome.json").unlink()
    os.mkfifo(folder / "outcome.json")
    assert papers.outcome("j1", ATTEMPT) is None
