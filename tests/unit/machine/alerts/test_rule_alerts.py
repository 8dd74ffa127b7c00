"""Alerts that people's rules raise: told once, over restarts; acknowledged, silenced and ended as any other."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.machine.alerts import rule_alerts, service
from mlops_desk.machine.alerts.filters import AlertSieve
from mlops_desk.machine.records.alert import Alert
from tests.unit.machine.alerts.test_service import Rig, status


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def alert(number: int = 1, subject: str = "j1", rule: str = "rules/bad") -> Alert:
    return Alert(
        f"a{number}",
        rule,
        "Bad",
        "warning",
        subject,
        subject,
        "it is bad",
        None,
        time.time(),
        None,
        "1",
        subject=subject,
    )


def settle(rig: Rig) -> None:
    """Wait until all is stored and told that was begun."""
    done = threading.Event()
    assert rig.service._lane is not None
    rig.service._lane.put(done.set)
    assert done.wait(20.0)


def told(rig: Rig) -> list[tuple[str, bool]]:
    settle(rig)
    return [(one.id, one.ended_at is not None) for one in rig.changes]


def test_it_fires_once_for_each_thing_and_ends_once_over_restarts(rig: Rig) -> None:
    assert rig.service.begin_raised(alert()).id == "a1"
    assert rig.service.begin_raised(alert(2)).id == "a1", "the same thing goes on"
    rig.service.begin_raised(alert(3, "j2"))
    assert told(rig) == [("a1", False), ("a3", False)]
    assert [one.id for one in rig.logged] == ["a1", "a3"]
    settle(rig)
    rig.restart()
    assert {one.id for one in rig.service.raised()} == {"a1", "a3"}
    assert {one.id for one in rig.service.list() if one.ended_at is None} == {"a1", "a3"}
    rig.service.take(status())
    rig.service.end_raised("a1")
    rig.service.end_raised("a1")
    assert told(rig)[2:] == [("a1", True)]
    assert rig.service.show("a1").ended_at is not None
    assert rig.service.begin_raised(alert(4)).id == "a4", "what begins again is another one"


def test_who_has_seen_it_is_noted_and_stays(rig: Rig) -> None:
    rig.service.begin_raised(alert())
    settle(rig)
    assert rig.service.acknowledge("a1").acknowledged_by
    assert rig.service.raised()[0].acknowledged_by
    rig.service.end_raised("a1")
    settle(rig)
    assert rig.service.show("a1").acknowledged_by


def test_one_that_is_silent_is_told_anew_when_that_is_over_and_what_comes_meanwhile_is_silent_too(
    rig: Rig, monkeypatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(
        rig.service._webhook, "put", lambda one: sent.append(f"{one.id} {'end' if one.ended_at else ''}")
    )
    rig.service.begin_raised(alert())
    settle(rig)
    silent = rig.service.silence("a1", 0.2)
    assert silent.silenced_until is not None
    rig.service.end_raised("a1")
    assert rig.service.begin_raised(alert(2)).silenced_until is not None
    settle(rig)
    assert sent == ["a1 ", "a1 end"], "who heard of its beginning hears of its end"
    while rig.service.raised()[0].silenced_until is not None:
        time.sleep(0.02)
        rig.service.take(status())
    settle(rig)
    assert sent == ["a1 ", "a1 end", "a2 "]


def test_a_rule_that_holds_for_all_there_is_does_not_flood_the_list(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_alerts, "_MOST_OF_ONE", 2)
    for number in (1, 2):
        rig.service.begin_raised(alert(number, f"j{number}"))
    with pytest.raises(Refused, match="2 alerts of the rule bad fire already"):
        rig.service.begin_raised(alert(3, "j3"))
    rig.service.begin_raised(replace(alert(4, "j3"), rule="rules/other"))
    rig.service.end_raised("a1")
    assert rig.service.begin_raised(alert(5, "j3")).id == "a5"


NOW = alert()
LATE = replace(alert(2, "GPU-9", "gpu_ecc"), level="alert", device_title="GPU 0", ended_at=9.0)
INFO = replace(alert(3, "host", "host_swap"), level="info", acknowledged_by="ana")
QUIET = replace(alert(4, "j4"), silenced_until=9e9, acknowledged_by="bob")


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ({}, [NOW, LATE, INFO, QUIET]),
        ({"state": "fires"}, [NOW, INFO, QUIET]),
        ({"state": "unseen"}, [NOW]),
        ({"state": "silent"}, [QUIET]),
        ({"state": "ended"}, [LATE]),
        ({"level": "warning"}, [NOW, LATE, QUIET]),
        ({"level": "alert"}, [LATE]),
        ({"rule": "bad"}, [NOW, QUIET]),
        ({"rule": "rules/bad"}, [NOW, QUIET]),
        ({"rule": "gpu_ecc"}, [LATE]),
        ({"device": "gpu0"}, [LATE]),
        ({"device": "GPU-9"}, [LATE]),
        ({"device": "j4", "rule": "bad", "state": "silent"}, [QUIET]),
        ({"device": "j4", "state": "ended"}, []),
    ],
)
def test_a_list_has_what_all_that_was_asked_is_so_of(asked, taken) -> None:
    assert [one for one in (NOW, LATE, INFO, QUIET) if AlertSieve(**asked).takes(one)] == taken


def test_a_list_is_asked_for_by_words_that_there_are_and_reaches_past_the_newest(rig: Rig, monkeypatch) -> None:
    for asked in ({"state": "firing"}, {"level": "grave"}):
        with pytest.raises(Invalid, match="of an alert"):
            rig.service.list(**asked)
    monkeypatch.setattr(service, "_LISTED", 2)
    for number in range(4):
        rig.service.begin_raised(alert(number, f"j{number}"))
        rig.service.end_raised(f"a{number}")
    settle(rig)
    assert len(rig.service.list()) == 2
    assert [one.id for one in rig.service.list(device="j0")] == ["a0"]
    assert rig.service.list(device="j0", state="fires") == []
