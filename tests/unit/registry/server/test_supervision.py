"""When the tracking server is started, relieved or restarted, and how rarely when that does not help."""

import itertools

import pytest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.records.model import Registry
from mlops_desk.registry.server.supervision import Supervision

UP = Registry("running", uri="http://127.0.0.1:1")


class Server:
    """A tracking server that does what it is told, or fails at it."""

    def __init__(self):
        self.used, self.kept, self.trouble, self.ended = True, True, None, False
        self.now, self.outdated = UP, False
        self.done = []
        self.fails = False

    def look(self):
        return self.now

    def start(self, *, for_containers):
        self.done.append("start for containers" if for_containers else "start")
        self._come_up()

    def relieve(self):
        self.done.append("relieve")
        self._come_up()

    def restart(self):
        self.done.append("restart")
        self._come_up()

    def _come_up(self):
        if self.fails:
            raise Unavailable("The tracking server did not start: no room.")
        self.now, self.kept, self.outdated = UP, True, False


class World:
    def __init__(self):
        self.server = Server()
        self.held, self.shown, self.answers = True, False, True
        self.seconds = 1000.0
        self.asked = 0
        self.supervision = Supervision(
            self.server, lambda: self.held, lambda: self.shown, self._answer, lambda: self.seconds
        )

    def _answer(self, _uri):
        self.asked += 1
        return self.answers

    def pass_seconds(self, count):
        for _ in range(count):
            self.seconds += 1.0
            self.supervision.look()


@pytest.fixture
def world():
    return World()


def test_a_server_that_is_down_is_started_while_a_job_holds_a_ticket(world):
    world.server.now = Registry("stopped")
    assert world.supervision.look() == 1.0
    assert world.server.done == ["start for containers"]


def test_or_while_a_window_shows_it_and_then_not_for_containers(world):
    world.held, world.shown = False, True
    world.server.now = Registry("failed", text="no room")
    world.supervision.look()
    assert world.server.done == ["start"]


@pytest.mark.parametrize("state", ["stopped", "failed", "running"])
def test_else_it_is_left_alone_and_looked_at_rarely(world, state):
    world.held, world.server.kept, world.answers = False, False, False
    world.server.now = Registry(state, uri="http://127.0.0.1:1")
    assert world.supervision.look() == 5.0
    world.pass_seconds(60)
    assert (world.server.done, world.asked) == ([], 0)


def test_a_registry_that_was_never_used_is_not_started(world):
    world.server.used, world.server.now = False, Registry("stopped")
    world.pass_seconds(5)
    assert world.server.done == []


def test_what_was_ended_for_good_is_not_started_again(world):
    world.server.ended, world.server.now = True, Registry("stopped")
    world.pass_seconds(5)
    assert (world.server.done, world.server.trouble) == ([], None)


@pytest.mark.parametrize(("ended", "used"), [(True, True), (False, False)])
def test_where_nothing_is_to_be_kept_up_nobody_looks_for_tickets(ended, used):
    server = Server()
    server.ended, server.used = ended, used
    looked: list[str] = []

    def held():
        looked.append("tickets")
        return True

    assert Supervision(server, held, lambda: True).look() == 5.0
    assert looked == []


def test_while_it_starts_nothing_is_done(world):
    world.server.now = Registry("starting")
    world.pass_seconds(60)
    assert world.server.done == []


def test_a_server_without_its_keeper_gets_another(world):
    world.server.kept = False
    world.supervision.look()
    assert world.server.done == ["relieve"]


@pytest.mark.parametrize(("held", "shown"), [(True, True), (False, False)])
def test_a_server_of_another_version_is_replaced_whether_anybody_needs_it_or_not(world, held, shown):
    world.held, world.shown, world.server.outdated = held, shown, True
    assert world.supervision.look() == 1.0
    world.pass_seconds(5)
    assert world.server.done == ["relieve"]


@pytest.mark.parametrize(("ended", "used"), [(True, True), (False, False)])
def test_but_not_one_that_was_ended_for_good_or_never_used(world, ended, used):
    world.server.ended, world.server.used, world.server.outdated = ended, used, True
    world.pass_seconds(5)
    assert world.server.done == []


def test_a_server_that_is_mute_is_restarted_but_not_one_that_misses_an_answer(world):
    world.answers = False
    world.pass_seconds(15)
    assert (world.asked, world.server.done) == (3, [])
    world.answers = True
    world.pass_seconds(5)
    world.answers = False
    world.pass_seconds(15)
    assert world.server.done == []
    world.pass_seconds(5)
    assert world.server.done == ["restart"]


def test_what_does_not_help_is_tried_more_and_more_rarely_and_said(world):
    world.server.now, world.server.fails = Registry("stopped"), True
    times = []
    for _ in range(200):
        before = len(world.server.done)
        world.pass_seconds(1)
        if len(world.server.done) > before:
            times.append(world.seconds)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == [1.0, 1.0, 5.0, 15.0, 30.0, 60.0, 60.0]
    assert "no room" in world.server.trouble
    assert "every 60 s" in world.server.trouble


def test_a_recovery_is_believed_after_the_pause_that_it_took(world):
    world.server.now, world.server.fails = Registry("stopped"), True
    world.pass_seconds(8)
    tries = len(world.server.done)
    world.server.fails = False
    world.pass_seconds(16)
    assert len(world.server.done) == tries + 1
    assert world.server.trouble is None
    world.server.now = Registry("stopped")
    world.pass_seconds(1)
    assert len(world.server.done) == tries + 1
    world.server.now = UP
    world.pass_seconds(60)
    world.server.now = Registry("stopped")
    world.pass_seconds(1)
    assert len(world.server.done) == tries + 2
