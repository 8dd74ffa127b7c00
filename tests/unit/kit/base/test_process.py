"""Workers answer, fail with a reason, or are ended at their deadline."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from threading import Event, Timer

import psutil
import pytest

from mlops_desk.kit.base import process
from mlops_desk.kit.base.errors import Refused, TimedOut, Unavailable
from mlops_desk.kit.base.process import run_watched, run_worker, start_ticks
from tests.interpreter import interpreter

WORKER = """
import sys, time
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.process import serve_one, start_child

def work(request):
    print("noise on stdout")
    if request["do"] == "refuse":
        raise Refused("no", "ask nicely")
    if request["do"] == "hang":
        time.sleep(60)
    if request["do"] == "say":
        for line in ("1 10", "2 20"):
            sys.stderr.write(line + "\\n")
            sys.stderr.flush()
            time.sleep(0.3)
    if request["do"] == "begin":
        child = start_child(["sleep", "60"], stdout=None, stderr=None)
        with open(request["to"], "w") as file:
            print(child.pid, file=file)
        time.sleep(60)
    if request["do"] == "die":
        sys.stderr.write("last words")
        sys.exit(3)
    return request

serve_one(work)
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "the_worker.py").write_text(textwrap.dedent(WORKER))
    monkeypatch.setattr(sys, "executable", interpreter(tmp_path / "python", tmp_path))
    return "the_worker"


def test_a_worker_answers_and_its_prints_do_not_spoil_the_answer(worker: str) -> None:
    assert run_worker(worker, {"do": "echo", "x": [1]}, 20) == {"do": "echo", "x": [1]}


def test_a_workers_refusal_arrives_as_it_was_raised(worker: str) -> None:
    with pytest.raises(Refused, match="no") as caught:
        run_worker(worker, {"do": "refuse"}, 20)
    assert caught.value.hint == "ask nicely"


@pytest.mark.slow
def test_a_hanging_worker_is_ended_and_the_outcome_is_unknown(worker: str) -> None:
    with pytest.raises(TimedOut):
        run_worker(worker, {"do": "hang"}, 0.5)


def test_a_dead_workers_last_words_are_quoted(worker: str) -> None:
    with pytest.raises(Unavailable, match="last words"):
        run_worker(worker, {"do": "die"}, 20)


@pytest.mark.slow
def test_a_watched_worker_is_heard_while_it_works_and_then_answers(worker: str) -> None:
    heard: list[str] = []

    def hear(line: str) -> bool:
        heard.append(line)
        return True

    assert run_watched(worker, {"do": "say"}, hear, 60.0) == {"do": "say"}
    # What it prints ends up beside what it says, and is heard where a look falls between that and its end.
    assert list(dict.fromkeys(line for line in heard if line and line != "noise on stdout")) == ["1 10", "2 20"]


def test_a_watched_worker_ends_when_it_is_not_wanted_or_says_nothing(worker: str) -> None:
    with pytest.raises(Unavailable, match="before it gave an answer"):
        run_watched(worker, {"do": "hang"}, lambda _line: False, 60.0)
    with pytest.raises(TimedOut, match="has said nothing"):
        run_watched(worker, {"do": "hang"}, lambda _line: True, 0.3)


def test_what_a_watched_worker_refuses_or_says_last_arrives(worker: str) -> None:
    with pytest.raises(Refused, match="no"):
        run_watched(worker, {"do": "refuse"}, lambda _line: True, 60.0)
    with pytest.raises(Unavailable, match="last words"):
        run_watched(worker, {"do": "die"}, lambda _line: True, 60.0)


def test_start_ticks_name_this_process_and_no_dead_one() -> None:
    assert start_ticks(os.getpid()) == start_ticks(os.getpid()) is not None
    assert start_ticks(2**22 - 3) is None


def test_a_process_that_has_ended_and_waits_to_be_collected_is_none() -> None:
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert Path(f"/proc/{ended.pid}/stat").exists()
        assert start_ticks(ended.pid) is None


def test_start_ticks_are_the_twenty_second_field_whatever_the_program_is_called(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 2 3"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    with subprocess.Popen([program, "60"], executable=program) as running:
        stat = Path(f"/proc/{running.pid}/stat").read_text()
        assert start_ticks(running.pid) == int(stat.rpartition(") ")[2].split()[19]) > 1000
        running.kill()


@pytest.mark.slow
def test_a_worker_that_nobody_needs_any_more_is_ended(worker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    real = process.end_group

    def end(child: subprocess.Popen[bytes], grace_seconds: float = 0.0) -> None:
        ended.append(child)
        real(child, grace_seconds)

    monkeypatch.setattr(process, "end_group", end)
    ending = Event()
    Timer(0.5, ending.set).start()
    with pytest.raises(Unavailable, match="ended before"):
        run_worker(worker, {"do": "hang"}, 20, ending=ending)
    (child,) = ended
    assert child.returncode is not None


def test_a_worker_is_waited_for_while_the_agent_goes_on(worker: str) -> None:
    assert run_worker(worker, {"do": "echo", "x": "y" * 300_000}, 20, ending=Event()) == {
        "do": "echo",
        "x": "y" * 300_000,
    }


@pytest.mark.slow
def test_a_worker_past_its_deadline_is_ended_also_where_the_agents_end_is_watched(worker: str) -> None:
    with pytest.raises(TimedOut):
        run_worker(worker, {"do": "hang"}, 0.5, ending=Event())


@pytest.mark.slow
def test_what_a_worker_has_started_ends_with_it(worker: str, tmp_path: Path) -> None:
    place = tmp_path / "pid"
    with pytest.raises(TimedOut):
        run_worker(worker, {"do": "begin", "to": str(place)}, 5.0)
    pid = int(place.read_text())
    while start_ticks(pid) is not None:  # pytest's own time limit ends it
        os.sched_yield()


def test_a_stranger_who_got_the_number_of_an_ended_child_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = process.start_child(["true"])
    gone.wait(10)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        monkeypatch.setattr(gone, "pid", stranger.pid)
        process.end_group(gone)
        assert stranger.poll() is None
        stranger.kill()


def test_a_child_that_does_not_end_in_time_is_kept_and_collected_once_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(_seconds: float) -> int:
        raise subprocess.TimeoutExpired("sleep", 1.0)

    stuck = process.start_child(["sleep", "60"])
    monkeypatch.setattr(stuck, "wait", late)
    process.end_group(stuck)
    os.waitid(os.P_PID, stuck.pid, os.WEXITED | os.WNOWAIT)  # ended, and a zombie
    assert stuck.returncode is None
    following = process.start_child(["true"])
    process.end_group(following)
    process.leave(following)
    assert stuck.returncode == -signal.SIGKILL


def test_what_an_ended_child_left_behind_is_ended_all_the_same() -> None:
    gone = process.start_child(["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"])
    assert gone.stdout is not None
    left = int(gone.stdout.readline())
    gone.wait(10)
    process.end_group(gone)
    while start_ticks(left) is not None:  # pytest's own time limit ends it
        os.sched_yield()


@pytest.mark.parametrize(
    ("code", "told"), [(0, "with code 0"), (3, "with code 3"), (-11, "by SIGSEGV"), (-9, "by SIGKILL"), (-42, "by signal 42")]
)  # fmt: skip
def test_how_a_process_ended_is_told_in_words(code: int, told: str) -> None:
    assert process.ended_by(code) == told


def test_who_prints_on_and_on_is_ended_before_it_has_taken_the_memory() -> None:
    with pytest.raises(Refused, match="printed more than 2 MiB and was ended"):
        process.run_command(["yes"], 60, output_bytes=2 << 20)


def test_of_endless_complaints_the_end_is_kept() -> None:
    done = process.run_command(["sh", "-c", "head -c 5000000 /dev/zero >&2; echo last >&2; exit 3"], 60)
    assert (done.code, done.errors[-6:], len(done.errors)) == (3, b"\0last\n", 1 << 20)


def test_who_is_not_listened_to_may_print_what_it_likes() -> None:
    done = process.run_command(["sh", "-c", "head -c 5000000 /dev/zero; echo why >&2"], 60, output_bytes=0)
    assert (done.code, done.output, done.errors) == (0, b"", b"why\n")


@pytest.mark.slow
def test_what_a_command_leaves_running_is_not_waited_for_and_goes_on() -> None:
    done = process.run_command(["sh", "-c", "sleep 300 & echo $!"], 60)
    assert done.code == 0
    left = int(done.output)
    assert start_ticks(left) is not None
    os.kill(left, signal.SIGKILL)


def test_a_command_is_read_to_its_end_whatever_it_closes_first() -> None:
    done = process.run_command(["sh", "-c", "exec >&-; sleep 0.2; echo behind >&2; exec 2>&-; sleep 0.2; exit 4"], 60)
    assert (done.code, done.output, done.errors) == (4, b"", b"behind\n")


def test_a_watched_worker_is_ended_where_hearing_it_fails(worker: str) -> None:
    def hear(_line: str) -> bool:
        raise Refused("It was stopped.")

    with pytest.raises(Refused, match="stopped"):
        run_watched(worker, {"do": "hang"}, hear, 60.0)
    assert not [one for one in psutil.Process().children() if worker in one.cmdline()]
