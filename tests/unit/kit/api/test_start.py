"""An agent that does not come up: what whoever started it is told."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_desk.kit.api import start as starting
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.process import start_detached


def _ended(folder: Path, code: str) -> Unavailable:
    """Return what is told of an agent that did ``code`` instead of serving."""
    out = folder / "agent.out"
    out.write_text("Words of an earlier one.\n")
    said_before = out.stat().st_size
    pid = start_detached([sys.executable, "-c", code], out)
    started = starting.Started(DataFolder(folder), pid, out, said_before)
    with pytest.raises(Unavailable) as told:
        while True:  # pytest's own time limit ends it
            started.check()
    return told.value


def test_a_crash_is_told_with_the_signal(tmp_path: Path) -> None:
    error = _ended(tmp_path, f"import os; os.kill(os.getpid(), {signal.SIGSEGV.value})")
    assert error.message == f"The agent for {tmp_path} ended at once, by SIGSEGV."
    assert error.hint == f"See {tmp_path}/log/agent.log"


def test_an_error_of_the_program_is_told_with_its_last_line(tmp_path: Path) -> None:
    error = _ended(tmp_path, "raise ZeroDivisionError('of all things')")
    assert error.message == (
        f"The agent for {tmp_path} ended at once, with code 1. It last wrote: ZeroDivisionError: of all things"
    )


def test_what_the_agent_said_itself_is_told_as_it_said_it(tmp_path: Path) -> None:
    error = _ended(tmp_path, 'print(\'{"error": "No.", "hint": "Try.", "command": null}\'); raise SystemExit(1)')
    assert (error.message, error.hint) == ("No.", "Try.")


_TOO_EARLY = """
import sys
from pathlib import Path
from mlops_desk.kit.base import log
log.start_early()
if {late}:
    log.start_file(Path(sys.argv[1]))
raise ZeroDivisionError("of all things")
"""


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True])
def test_what_goes_wrong_before_there_is_a_log_is_written_where_the_starter_looks(tmp_path: Path, late: bool) -> None:
    command = [sys.executable, "-c", _TOO_EARLY.format(late=late), str(tmp_path / "agent.log")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.endswith("ZeroDivisionError: of all things\n") is not late
    assert (tmp_path / "agent.log").exists() is late
