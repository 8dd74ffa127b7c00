"""Endpoints on a disk that hangs: requests and verbs of all endpoints go on, and what can't be stored is told."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlops_desk.kit.base.disk.write_deadline import HungDisk, PatientWriter
from mlops_desk.machine.records.event import Notice
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from tests.end2end.endpoint_house import House, ask, open_house, told_of

pytestmark = [pytest.mark.end2end]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        built.service.start()
        yield built


@contextmanager
def hanging(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let nothing that is to be kept come to the disk until the end of the block; yield in which threads it was tried."""
    answers, tried = threading.Event(), []
    sync, put = os.fsync, house.states_open[-1].endpoints.put

    def hang() -> None:
        if not answers.is_set():
            tried.append(threading.current_thread().name)
            answers.wait(60)

    def synced(descriptor: int) -> None:
        hang()
        sync(descriptor)

    def stored(endpoint: Endpoint) -> None:
        hang()
        put(endpoint)

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", synced)
        disk.setattr(house.states_open[-1].endpoints, "put", stored)
        try:
            yield tried
        finally:
            answers.set()


def revision_of(endpoint: Endpoint) -> str:
    return ask(endpoint).headers["x-mlops-desk-revision"]


def test_on_a_disk_that_hangs_traffic_moves_and_other_endpoints_are_served(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.replica(1, "old")
    house.replica(2, "new")
    house.replica(3, "other")
    house.service.deploy("digits/1", "front")
    house.service.deploy("digits/2", "front", canary=50)
    house.service.deploy("digits/1", "side")
    assert {revision_of(house.service.show("front")) for _ in range(40)} == {"1", "2"}
    with hanging(house, monkeypatch) as tried:
        house.service.split("front", ["1=100", "2=0"])
        assert {revision_of(house.service.show("front")) for _ in range(20)} == {"1"}, "it is in force all the same"
        house.service.stop("side")
        assert house.service.show("side").state is EndpointState.STOPPED
        assert ask(house.service.show("side")).status_code == 503
        assert revision_of(house.service.show("front")) == "1"
        assert [one.name for one in house.service.list()] == ["front", "side"]
        house.wait(lambda: any("does not answer" in text for text in told_of(house)))
        notice = next(one for one in house.events if isinstance(one, Notice) and "does not answer" in one.text)
        assert (notice.level, notice.about) == ("alert", ("file", "endpoints"))
        assert "journalctl -k" in str(notice.hint)
        assert {name.rpartition("-")[2] for name in tried} == {"write"}, "nobody else waits for the disk"
        assert len(tried) <= 4, "one thread of each kind, however often it is tried again"
    house.wait(lambda: any("stored again" in text for text in told_of(house)))
    house.agent()
    front, side = house.service.show("front"), house.service.show("side")
    assert (front.traffic, side.state) == ({"1": 1.0}, EndpointState.STOPPED)


def test_a_removal_whose_files_do_not_go_is_told_and_asked_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front")
    house.service._shelf._clearing = PatientWriter("test", 0.5)
    answers = threading.Event()
    delete = shutil.rmtree

    def deleted(folder: Path, *, ignore_errors: bool) -> None:
        assert answers.wait(60)
        delete(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", deleted)
    with pytest.raises(HungDisk):
        house.service.remove("front")
    assert house.service.show("front").state is EndpointState.STOPPED, "it is known until its files are gone"
    answers.set()
    house.wait(lambda: not house.service._shelf._clearing.is_hung)
    house.service.remove("front")
    assert house.service.list() == []
    assert house.service._shelf.numbers("front") == []
