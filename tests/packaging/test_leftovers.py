"""What a killed run of the tests has left is ended by the next one; what belongs to a living run, or to nobody's, stays."""

import os
import subprocess

import pytest
from desk_setup import leftovers


@pytest.fixture
def sleeper():
    """Start a process that belongs to a run; each is ended afterwards."""
    started = []

    def start(run):
        env = {"PATH": os.environ["PATH"], **({leftovers.RUN: run} if run else {})}
        process = subprocess.Popen(["sleep", "300"], env=env)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def removals(monkeypatch):
    """Return how often the containers of tests were removed."""
    asked = []

    class Traces:
        def __init__(self, line):
            pass

        def clear_containers(self):
            asked.append(1)
            return 2

    monkeypatch.setattr(leftovers, "Traces", Traces)
    # Whoever runs these tests is a run, too, and so are those beside it on this machine.
    real = leftovers.processes_of_runs
    mine = []
    monkeypatch.setattr(leftovers, "processes_of_runs", lambda: ((pid, run) for pid, run in real() if pid in mine))
    return asked, mine


def test_processes_of_a_run_that_is_over_are_ended_and_its_containers_removed(sleeper, removals, capsys):
    asked, mine = removals
    runner = sleeper("")
    run = leftovers.this_run(runner.pid)
    agent, other = sleeper(run), sleeper("")
    mine += [agent.pid, other.pid]
    leftovers.end({})
    assert agent.poll() is None, "the run is alive"
    assert asked == []
    runner.kill()
    runner.wait()
    leftovers.end({})
    assert agent.wait(20) == -9
    assert other.poll() is None
    assert asked == [1]
    assert "1 were ended" in capsys.readouterr().out


def test_a_number_that_was_given_out_again_is_no_run(sleeper, removals):
    _, mine = removals
    agent = sleeper(f"{os.getpid()}:1")
    mine.append(agent.pid)
    leftovers.end({})
    assert agent.wait(20) == -9


def test_its_own_run_is_no_other(sleeper, removals):
    asked, mine = removals
    run = leftovers.this_run()
    mine.append(sleeper(run).pid)
    leftovers.end({leftovers.RUN: run})
    assert asked == [1]


def test_the_engine_of_another_machine_is_left_alone(removals):
    asked, _ = removals
    leftovers.end({"DOCKER_HOST": "tcp://elsewhere:2375"})
    assert asked == []
