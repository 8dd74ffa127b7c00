"""Logged traffic against another revision: compared, never counted as traffic, and nothing of it left behind."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, Unavailable
from mlops_desk.serving.experiments import acts
from mlops_desk.serving.test_requests import LABEL
from tests.end2end.endpoint_house import House, ask, open_house

pytestmark = [pytest.mark.end2end]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        built.replica(1)
        built.service.deploy("digits@champion", "front")
        built.answer()
        for _ in range(2):
            assert ask(built.service.show("front")).status_code == 200
        yield built


def asides(house: House) -> list[str]:
    return [facts.name for facts in house.engine.containers({LABEL: ""})]


def test_the_same_answers_are_the_same_and_no_traffic(house: House) -> None:
    before = house.service.requests("front")
    house.replica(2)
    done = house.service.replay("front", revision=1)
    assert (done.requests, done.same, done.close, done.different, done.errors) == (3, 3, 0, 0, {})
    assert done.latency is not None
    assert done.logged_latency is not None
    assert done.worst == ()
    assert house.service.requests("front") == before
    assert asides(house) == []
    assert not list((house.folder.endpoints / "_asides").iterdir())
    assert house.answer() == {"predictions": ["yes", "yes"]}, "the live container was left alone"


def test_other_answers_are_named_by_their_requests(house: House) -> None:
    house.replica(2, "no")
    done = house.service.replay("front", revision=1, limit=1)
    newest = house.service.requests("front")[0].request_id
    assert (done.requests, done.different) == (1, 1)
    assert [(one.request_id, one.row, one.logged, one.replayed) for one in done.worst] == [
        (newest, 0, "yes", "no"),
        (newest, 1, "yes", "no"),
    ]


def test_errors_are_counted_by_their_status(house: House) -> None:
    replica = house.replica(2)
    replica.status = 500
    assert house.service.replay("front", revision=1).errors == {"500": 3}
    breaking = house.replica(3)
    breaking.breaks_off = True
    assert house.service.replay("front", revision=1).errors == {"lost": 3}


def test_requests_are_not_sent_faster_than_is_asked_for(house: House) -> None:
    house.replica(2)
    assert house.service.replay("front", revision=1, rate=10.0).seconds >= 0.2  # the third goes out after two tenths


@pytest.mark.parametrize(
    ("more", "error"),
    [({"revision": 7}, Refused), ({"limit": 0}, Invalid), ({"limit": 5001}, Invalid), ({"rate": 0.0}, Invalid),
     ({"since": time.time() + 3600}, NotFound)],
)  # fmt: skip
def test_what_can_not_be_replayed_says_why_and_starts_nothing(
    house: House, more: dict[str, float], error: type[DeskError]
) -> None:
    started = len(house.started)
    with pytest.raises(error):
        house.service.replay("front", **{"revision": 1, **more})  # type: ignore[arg-type]  # numbers as they are
    assert len(house.started) == started


def test_a_model_that_does_not_start_is_told_and_its_container_ended(house: House) -> None:
    house.settings.set("serving.start_timeout_seconds", "5")
    with pytest.raises(DeskError, match="not ready"):  # nobody answers in the place of the container
        house.service.replay("front", revision=1)
    assert asides(house) == []


def test_what_a_killed_agent_has_left_is_ended_by_the_next(house: House) -> None:
    name = f"mlops-desk-{house.folder.instance}-aside-0123"
    for left, label in ((name, house.folder.instance), ("somebody-elses", house.folder.instance)):
        image = house.service.show("front").image or ""
        house.engine.create(ContainerSpec(left, image, (), labels={LABEL: label}))
    house.agent().start()
    house.wait(lambda: asides(house) == ["somebody-elses"])


def test_what_an_engine_kept_while_it_was_away_is_ended_once_it_is_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "SWEEP_SECONDS", 0.1)
    house.agent().start()
    house.replica(2)
    stop = house.engine.stop

    def away(_name: str, _seconds: float) -> None:
        raise Unavailable("The engine does not answer.")

    house.engine.stop = away  # type: ignore[method-assign]  # as while it is restarted
    house.service.replay("front", revision=1)
    assert len(asides(house)) == 1
    house.engine.stop = stop  # type: ignore[method-assign]  # it is back
    house.wait(lambda: asides(house) == [])


def test_a_replay_tells_how_far_it_is_and_leaves_nothing_when_it_is_stopped(house: House) -> None:
    house.replica(2)
    told: list[tuple[int | None, int | None]] = []
    ended: list[DeskError] = []

    def replay() -> None:
        try:
            house.service.replay("front", revision=1, rate=0.5, ticket="t-1")
        except DeskError as error:
            ended.append(error)

    loop = house.loops[-1]
    loop.start("replay", replay)

    def is_sending() -> bool:
        try:
            now = house.service.progress("t-1")
        except NotFound:
            return False
        told.append((now.done, now.total))
        return now.done == 1

    house.wait(is_sending)
    assert told[-1] == (1, 3)
    assert house.service.cancel("t-1").is_stopping
    house.wait(lambda: bool(ended))
    assert isinstance(ended[0], Refused)
    assert "The replay was stopped" in ended[0].message
    assert asides(house) == []
    assert not list((house.folder.endpoints / "_asides").iterdir())
    with pytest.raises(NotFound):
        house.service.progress("t-1")
    house.replica(3)
    assert house.service.replay("front", revision=1, ticket="t-1").same == 3, "it can be done again, by the same ticket"
