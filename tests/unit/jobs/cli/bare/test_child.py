"""The command of exec: there before its GPUs are, itself in the end, and its end written down."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


def supervised(script: str, *, stdin: str | None = None, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
    """Run lines in a process of its own: the child's parent changes its own signal handlers."""
    head = "import os, signal, sys, time\nfrom pathlib import Path\nfrom mlops_desk.jobs.cli.bare.child import BareCommand\n"
    command = [sys.executable, "-c", head + textwrap.dedent(script)]
    return subprocess.run(command, capture_output=True, text=True, input=stdin, timeout=timeout, check=False)


def test_it_waits_until_it_may_begin_and_gets_its_variables() -> None:
    found = supervised("""
        child = BareCommand(["sh", "-c", 'echo "sees $CUDA_VISIBLE_DEVICES as $$"; exit 7'])
        time.sleep(0.2)
        print("before", flush=True)
        child.begin({"CUDA_VISIBLE_DEVICES": "GPU-1,GPU-2"})
        end = child.wait()
        print(end.exit_code, child.pid)
    """)
    before, said, ended = found.stdout.splitlines()
    code, pid = ended.split()
    assert (before, said, code) == ("before", f"sees GPU-1,GPU-2 as {pid}", "7"), found.stderr


def test_given_up_it_never_begins(tmp_path: Path) -> None:
    trace = tmp_path / "begun"
    found = supervised(f"""
        child = BareCommand(["touch", {str(trace)!r}])
        child.give_up()
        print("over")
    """)
    assert found.stdout == "over\n"
    assert not trace.exists()


@pytest.mark.slow
def test_when_who_waits_for_it_is_killed_it_never_begins(tmp_path: Path) -> None:
    trace = tmp_path / "begun"
    found = supervised(f"""
        child = BareCommand(["touch", {str(trace)!r}])
        print(child.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    pid = int(found.stdout)
    while Path(f"/proc/{pid}").exists():  # pytest's own time limit ends it
        os.sched_yield()
    assert not trace.exists()


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["no-such-program-here"], 127, "no-such-program-here: No such file or directory"),
        (["/etc/passwd"], 126, "/etc/passwd: Permission denied"),
    ],
)
def test_a_command_that_can_t_begin_says_so_as_a_shell_does(command: list[str], code: int, said: str) -> None:
    found = supervised(f"""
        child = BareCommand({command!r})
        child.begin({{}})
        sys.exit(child.wait().exit_code)
    """)
    assert found.returncode == code
    assert said in found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["TERM", "HUP", "USR1", "USR2"])
def test_signals_reach_the_command_and_are_told(name: str) -> None:
    found = supervised(f"""
        child = BareCommand(["sh", "-c", "trap 'exit 9' {name}; echo up; while :; do sleep 0.05; done"])
        child.begin({{}})
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIG{name})
        end = child.wait()
        print(end.exit_code, end.signal)
    """)
    assert found.stdout.splitlines() == ["up", f"9 {name}"], found.stderr


def test_a_command_that_a_signal_ended_ends_as_in_a_shell() -> None:
    found = supervised("""
        child = BareCommand(["sh", "-c", "kill -9 $$"])
        child.begin({})
        print(child.wait().exit_code)
    """)
    assert found.stdout == "137\n"


def test_its_end_is_left_whole_and_never_through_a_link(tmp_path: Path) -> None:
    place, other = tmp_path / "outcome.json", tmp_path / "other"
    other.write_text("untouched")
    (tmp_path / "outcome.new").symlink_to(other)
    script = f"""
        child = BareCommand(["false"])
        child.begin({{}})
        end = child.wait()
        try:
            end.leave(Path({str(place)!r}), "j-a1", 12.5)
        except OSError as error:
            print("refused")
    """
    assert supervised(script).stdout == "refused\n"
    assert other.read_text() == "untouched"
    (tmp_path / "outcome.new").unlink()
    supervised(script)
    found = json.loads(place.read_text())
    assert found.pop("ended_at") > 0
    assert found == {"attempt": "j-a1", "exit_code": 1, "started_at": 12.5, "signal": None}


@pytest.mark.slow
def test_ctrl_c_is_the_command_s_to_take() -> None:
    found = supervised("""
        child = BareCommand(["sh", "-c", "trap 'exit 3' INT; echo up; while :; do sleep 0.05; done"])
        child.begin({})
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(child.pid, signal.SIGINT)
        print(child.wait().exit_code)
    """)
    assert found.stdout.splitlines() == ["up", "3"], found.stderr
    assert found.returncode == 0
