"""The keeper replaces a server that ends or is silent, ends with it when told to, and gives up what never ran."""

import os
import signal
import threading
import time

import pytest

from mlops_desk.registry.server import process
from mlops_desk.registry.server.files import Entry, ServerFiles
from mlops_desk.registry.server.process import Keeper

KILL = os.kill
ENTRY = Entry("starting", 1, 1, "boot", 5000)


class Servers:
    """Forks processes that live as ``lives`` say: beat, then end or fall silent; the last tells the keeper to end."""

    def __init__(self, folder, *lives):
        self.ledger = ServerFiles(folder)
        self.ledger.make()
        self.lives = list(lives)
        self.forked = []
        self.keeper = Keeper(self.ledger, ENTRY, self.fork)

    def fork(self, reading, writing):
        life = self.lives.pop(0)
        child = os.fork()
        if child == 0:
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL if life != "deaf" else signal.SIG_IGN)
                os.close(reading)
                if life != "never ran":
                    os.write(writing, b".")
                for _ in range(
                    12 if life == "slow" else 0
                ):  # silent for a quarter of what would be too long, again and again
                    time.sleep(0.25)
                    os.write(writing, b".")
                while life in {"silent", "stays", "deaf"}:
                    time.sleep(0.005)
                    os.write(writing, b"." if life == "stays" else b"")
            finally:
                os._exit(0)
        self.forked.append(child)
        if not self.lives and life in {"stays", "deaf"}:
            threading.Timer(0.2, lambda: self.keeper.end(signal.SIGTERM, None)).start()
        return child

    def all_ended(self):
        for child in self.forked:
            with pytest.raises(ChildProcessError):
                os.waitpid(child, 0)
        return True


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(process, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(process, "_PAUSES_SECONDS", (0.0, 0.01, 0.02, 0.03))
    monkeypatch.setattr(process, "_GRACE_SECONDS", 0.3)


@pytest.mark.slow
def test_a_server_that_ended_is_replaced(tmp_path):
    servers = Servers(tmp_path, "ends", "ends", "stays")
    assert servers.keeper.run() == 0
    assert len(servers.forked) == 3
    assert servers.all_ended()


@pytest.mark.slow
def test_a_server_that_is_silent_is_killed_and_replaced(tmp_path):
    servers = Servers(tmp_path, "silent", "stays")
    assert servers.keeper.run() == 0
    assert len(servers.forked) == 2
    assert servers.all_ended()


@pytest.mark.slow
def test_a_server_that_is_slow_now_and_then_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "_SILENT_LOOKS", 100)
    monkeypatch.setattr(process, "_GRACE_SECONDS", 20.0)
    servers = Servers(tmp_path, "slow", "stays")
    killed = []
    monkeypatch.setattr(process.os, "kill", lambda pid, number: (killed.append(number), KILL(pid, number)))
    assert servers.keeper.run() == 0
    assert signal.SIGKILL not in killed


@pytest.mark.slow
def test_one_that_does_not_end_when_told_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "_SILENT_LOOKS", 10_000)
    servers = Servers(tmp_path, "deaf")
    assert servers.keeper.run() == 0
    assert servers.all_ended()


def test_a_server_that_can_not_start_is_not_tried_again(tmp_path):
    servers = Servers(tmp_path, "never ran")
    assert servers.keeper.run() == 1
    assert len(servers.forked) == 1


@pytest.mark.slow
def test_one_that_ran_before_is_and_what_keeps_failing_is_said(tmp_path):
    servers = Servers(tmp_path, "ends", "never ran", "never ran", "stays")
    assert servers.keeper.run() == 0
    told = servers.ledger.read()
    assert told.state == "failed"
    assert "3 times in a row" in told.text


def test_two_short_lives_are_no_failure(tmp_path):
    servers = Servers(tmp_path, "ends", "ends", "stays")
    assert servers.keeper.run() == 0
    assert servers.ledger.read() is None
