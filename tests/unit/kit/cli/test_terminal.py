"""The shell of a job: which client opens it, and what is said where it can't be."""

import os
import socket
import sys

import pytest

from mlops_desk.jobs.records.job_shell import JobShell
from mlops_desk.kit.base.errors import Invalid, Refused, Unavailable
from mlops_desk.kit.cli import terminal

SHELL = JobShell("abc", "mld-1-abc-a1", "unix:///run/x.sock", ("/bin/sh", "-c", "exec sh"))


def test_dockers_client_comes_first_then_podmans_each_told_which_engine():
    after = ["exec", "--interactive", "--tty", "mld-1-abc-a1", "/bin/sh", "-c", "exec sh"]
    both = {"docker": "/usr/bin/docker", "podman": "/usr/bin/podman"}
    assert terminal.command(SHELL, both.get) == ["/usr/bin/docker", "--host", "unix:///run/x.sock", *after]
    del both["docker"]
    assert terminal.command(SHELL, both.get) == ["/usr/bin/podman", "--remote", "--url", "unix:///run/x.sock", *after]
    with pytest.raises(Unavailable) as told:
        terminal.command(SHELL, {}.get)
    assert told.value.command == "sudo apt-get install docker-cli"


def test_a_pipe_is_no_terminal():
    with pytest.raises(Invalid, match="terminal"):
        terminal.enter(SHELL)


@pytest.fixture
def on_terminal(monkeypatch):
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("it was entered"))


@pytest.mark.usefixtures("on_terminal")
def test_an_engine_that_is_not_here_or_not_for_this_user_is_said(tmp_path, monkeypatch):
    path = tmp_path / "x.sock"
    shell = JobShell("abc", "c", f"unix://{path}", ("/bin/sh",))
    with pytest.raises(Unavailable, match="not on this machine"):
        terminal.enter(shell)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        monkeypatch.setattr(os, "access", lambda *_: False)
        with pytest.raises(Refused, match="yourself"):
            terminal.enter(shell)
