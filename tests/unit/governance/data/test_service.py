"""The catalogue's verbs on a real database: registered, looked at, changed, gone, forgotten; retention and rules."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.desk.cli import output
from mlops_desk.governance.data.catalogue import DataSighting, KnownData
from mlops_desk.governance.data.desk_files import LISTS, desk_files
from mlops_desk.governance.data.inspection import Watching
from mlops_desk.governance.data.redaction import RedactionHouse
from mlops_desk.governance.data.retention import RetentionHouse
from mlops_desk.governance.data.retention_plan import DataHold
from mlops_desk.governance.data.service import DataHouse, DataService
from mlops_desk.governance.records.data.catalogue import (
    CatalogueEntry,
    DataKind,
    DataPlace,
    DataUser,
    DataUserKind,
    DataVersion,
    PersonalData,
    SetState,
)
from mlops_desk.governance.records.data.redaction import RedactionWay
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.request_log.layout import part_path
from mlops_desk.kit.storage.state import State
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef
from mlops_desk.serving.records.request import LoggedRequest

FRONT = Endpoint("front", EndpointState.LIVE, None, 1, ModelRef("m", "1", "models:/m/1"), created_by=1007)
LONG_AGO = 1_767_322_800


class House:
    """A house whose parts say what a test wants."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.known = KnownData()
        self.found: list[DataVersion | DeskError] = []
        self.may_end = threading.Event()
        self.may_end.set()
        self.holds: tuple[list[DataHold], list[str]] = ([], [])
        self.applied = 0
        self.least = 30.0
        self.requests: list[LoggedRequest] = []

    def look(self, entry: CatalogueEntry, watching: Watching) -> tuple[DataPlace, DataVersion]:
        watching.tell(3, 900)
        while not self.may_end.wait(0.01):
            if watching.is_stopping:
                raise Unavailable("It was ended.")
        found = self.found.pop(0)
        if isinstance(found, DeskError):
            raise found
        return replace(entry.place, kind=DataKind.FILE), found

    def apply(self) -> bool | None:
        self.applied += 1
        return True

    def endpoint(self, name: str) -> Endpoint:
        if name != "front":
            raise NotFound(f"There is no endpoint {name}.")
        return FRONT


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def data(tmp_path: Path, house: House) -> Iterator[DataService]:
    state, loop = State(tmp_path / "state.db"), Loop("test")
    endpoints = tmp_path / "endpoints"
    made = DataService(
        DataHouse(lambda: house.known, house.look, lambda thing: thing.replace("@champion", "/3"), lambda: house.least),
        RetentionHouse(tmp_path, lambda: desk_files(tmp_path, endpoints, tmp_path / "pipelines"), lambda: house.holds),
        RedactionHouse(
            endpoint=house.endpoint,
            requests=lambda _name, rows: house.requests[:rows],
            log=lambda name: endpoints / name / "requests",
            key=lambda _name: "ab" * 32,
            apply=house.apply,
            monitors=lambda _name: ["front-monitor"],
        ),
        state.data,
        loop,
    )
    yield made
    loop.stop(5.0)
    state.close()


def until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def looked(data: DataService, name: str) -> SetState:
    until(lambda: data.show(name).brief.state is not SetState.LOOKING)
    return data.show(name).brief.state


def version(sha256: str | None, **more: object) -> DataVersion:
    return replace(DataVersion("x", 0, sha256=sha256, files=1, size_bytes=10), **more)


def test_a_set_is_registered_looked_at_and_tells_what_changed(data: DataService, house: House) -> None:
    house.found = [
        version("a"),
        version("a"),
        version("b", size_bytes=12),
        NotFound("Nothing there."),
        Unavailable("It hangs."),
    ]
    shown = data.register("churn", path="/data/churn.csv", licence="CC-BY-4.0", personal="YES", retention_days=30.0)
    assert (shown.brief.traits.licence, shown.brief.traits.personal) == ("CC-BY-4.0", PersonalData.YES)
    assert looked(data, "churn") is SetState.SAME
    for state, count in ((SetState.SAME, 1), (SetState.CHANGED, 2), (SetState.GONE, 2), (SetState.UNKNOWN, 2)):
        data.check("churn")
        assert looked(data, "churn") is state
        assert len(data.show("churn").versions) == count
    found = data.show("churn")
    assert (found.brief.kind, found.brief.sha256, found.brief.text) == (DataKind.FILE, "b", "It hangs.")
    assert "churn" in output.text(data.list())
    assert "CC-BY-4.0" in output.text(found)


def test_a_look_tells_how_far_it_is_and_can_be_stopped(data: DataService, house: House) -> None:
    house.may_end.clear()
    house.found = [version("a")]
    data.register("big", path="/data")
    until(lambda: (told := data.show("big").progress) is not None and told.files == 3)
    shown = data.show("big")
    assert shown.progress is not None
    assert (shown.brief.state, shown.progress.size_bytes) == (SetState.LOOKING, 900)
    assert "900 B" in output.text(shown)
    data.cancel("big")
    until(lambda: data.show("big").progress is None)
    brief = data.show("big").brief
    assert (brief.state, brief.text) == (SetState.UNKNOWN, "Nobody has looked at it yet.")
    with pytest.raises(NotFound):
        data.cancel("big")


def test_a_forgotten_set_is_not_brought_back_by_the_look_that_was_under_way(data: DataService, house: House) -> None:
    house.may_end.clear()
    house.found = [version("a")]
    data.register("big", path="/data")
    data.forget("big")
    house.may_end.set()
    until(lambda: not data._looks.names())
    assert data.list() == []
    with pytest.raises(NotFound):
        data.show("big")
    data._keep("big", version("a"), DataPlace(DataKind.FILE, "/data"), None)
    assert data.list() == []


def test_what_people_say_stays_until_it_is_taken_back(data: DataService, house: House) -> None:
    house.found = [version("a")]
    data.register("churn", path="/d", data_owner="Ann", notes="raw", retention_days=5.0)
    looked(data, "churn")
    told = data.update("churn", licence="MIT", personal="no").brief.traits
    assert (told.data_owner, told.licence, told.personal, told.notes) == ("Ann", "MIT", PersonalData.NO, "raw")
    told = data.update("churn", data_owner="", retention_days=0.0, personal="unknown").brief.traits
    assert (told.data_owner, told.retention_days, told.personal) == (None, None, PersonalData.UNKNOWN)


@pytest.mark.parametrize(
    "asked",
    [
        {}, {"path": "relative"}, {"path": "/a\0b"}, {"path": "/a", "run": "r", "dataset": "d"}, {"run": "r"},
        {"dataset": "d"}, {"database": "sqlite:///x"}, {"query": "SELECT 1"}, {"path": "/a", "personal": "maybe"},
        {"path": "/a", "retention_days": -1.0}, {"path": "/a", "licence": "x" * 401},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_nothing_is_kept(data: DataService, asked: dict) -> None:
    with pytest.raises(Invalid):
        data.register("churn", **asked)
    assert data.list() == []


@pytest.mark.parametrize("name", ["", " a", "a\nb", "x" * 201, "\u202eabc", "front/requests", "x/labels"])
def test_a_name_can_be_read(data: DataService, name: str) -> None:
    with pytest.raises(Invalid):
        data.register(name, path="/d")


def test_two_sets_have_no_name_in_common(data: DataService, house: House) -> None:
    house.found = [version("a")]
    data.register("churn", path="/d")
    with pytest.raises(Refused):
        data.register("churn", path="/other")


def test_who_stands_on_what_is_told_both_ways(data: DataService, house: House) -> None:
    place = DataPlace(DataKind.MLFLOW, run="r1", dataset="train")
    users = (DataUser(DataUserKind.RUN, "r1", "its training data"), DataUser(DataUserKind.MODEL, "churn/3", "its data"))
    house.known = KnownData((DataSighting("train", place, users, digest="dd", owned_by=7),))
    data.update("train", licence="MIT")
    (use,) = data.uses("churn@champion")
    assert (use.dataset, use.version, use.digest, use.traits.licence) == ("train", 1, "dd", "MIT")
    assert data.uses("churn/4") == []
    shown = data.show("train")
    assert [one.name for one in shown.users] == ["churn/3", "r1"]
    assert (shown.brief.is_registered, shown.owner.uid) == (True, 7)
    assert "MIT" in output.text(data.uses("churn/3"))


def test_what_is_said_of_data_that_runs_logged_is_said_of_those_of_every_run(data: DataService, house: House) -> None:
    def seen(run: str, digest: str, at: float) -> DataSighting:
        place = DataPlace(DataKind.MLFLOW, run=run, dataset="train")
        return DataSighting("train", place, (DataUser(DataUserKind.RUN, run, "its data"),), digest=digest, at=at)

    house.known = KnownData((seen("r1", "aa", 1.0), seen("r2", "bb", 2.0)))
    data.update("train", personal="yes")
    (shown,) = data.list()
    assert (shown.name, shown.users, shown.versions, shown.traits.personal) == ("train", 2, 2, "yes")
    house.known = KnownData((*house.known.sightings, seen("r3", "cc", 3.0)))
    assert data.update("train", licence="MIT").brief.users == 3


def test_what_only_uses_tell_of_is_found_and_not_forgotten(data: DataService, house: House) -> None:
    house.known = KnownData((DataSighting("/d", DataPlace(DataKind.FOLDER, "/d")),))
    with pytest.raises(Refused):
        data.forget("/d")
    house.found = [version("a")]
    data.check("/d")
    assert looked(data, "/d") is SetState.SAME
    assert [one.name for one in data.list(kind="file")] == ["/d"]
    assert data.list("nowhere") == []
    with pytest.raises(Invalid):
        data.list(kind="odd")


def test_a_log_is_not_checked_for_it_is_no_two_times_the_same(data: DataService, house: House) -> None:
    house.known = KnownData((DataSighting("front/requests", DataPlace(DataKind.LOG, endpoint="front")),))
    with pytest.raises(Refused):
        data.check("front/requests")


# -- retention ----------------------------------------------------------------------------------------


def log_file(root: Path, hour: int = LONG_AGO) -> Path:
    path = part_path(root / "endpoints/front/requests", hour * 1000, hour)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 10)
    return path


def test_what_was_shown_is_deleted_and_nothing_else(data: DataService, house: House) -> None:
    old, other = log_file(house.root), log_file(house.root, LONG_AGO + 7200)
    house.known = KnownData((DataSighting("front/requests", DataPlace(DataKind.LOG, endpoint="front")),))
    assert data.retention().unset == ("front/requests",)
    data.update("front/requests", retention_days=30.0)
    shown = data.retention()
    assert (shown.files, shown.size_bytes) == (2, 20)
    assert shown.token in output.text(shown)
    late = log_file(house.root, LONG_AGO + 3600)
    with pytest.raises(Refused):
        data.retain(shown.token)
    assert all(path.exists() for path in (old, other, late))
    done = data.retain(data.retention().token)
    assert (done.files, done.size_bytes, done.left) == (3, 30, ())
    assert not any(path.exists() for path in (old, other, late))


def test_while_nobody_can_tell_who_needs_it_nothing_goes(data: DataService, house: House) -> None:
    old = log_file(house.root)
    house.holds = ([], ["Monitors could not be asked."])
    shown = data.retention(days=1.0)
    assert "Nothing is deleted" in output.text(shown)
    with pytest.raises(Refused):
        data.retain(shown.token, days=1.0)
    assert old.exists()
    house.holds = ([DataHold("front/requests", "model m/1 was trained on them")], [])
    shown = data.retention(days=1.0)
    assert (shown.files, shown.held[0].why) == (0, "model m/1 was trained on them")
    assert "was trained on them" in output.text(shown)


def test_a_log_says_how_long_it_is_kept_and_by_whose_word(data: DataService, house: House) -> None:
    house.known = KnownData((DataSighting("front/requests", DataPlace(DataKind.LOG, endpoint="front")),))
    assert data.show("front/requests").brief.kept_days == 30.0
    assert "30 days, by the setting serving.request_log_days" in output.text(data.show("front/requests"))
    made = data.update("front/requests", retention_days=90.0)
    assert (made.brief.kept_days, house.applied) == (90.0, 1)
    assert "90 days, as is said of it" in output.text(made)
    made = data.update("front/requests", retention_days=7.0)
    assert (made.brief.kept_days, data.said()) == (30.0, {"front/requests": 7.0})
    assert "; 7 days, as is said of it, by data retention" in output.text(made)
    data.update("front/requests", notes="none")
    assert house.applied == 2, "the gateway is told of what it goes by"


def test_lists_of_frozen_data_go_by_what_is_said_of_their_set(data: DataService, house: House) -> None:
    place = house.root / "pipelines"
    place.mkdir()
    (place / "r.json").write_text("[]")
    os.utime(place / "r.json", (LONG_AGO, LONG_AGO))
    house.known = KnownData((DataSighting(LISTS, DataPlace(DataKind.LISTS)),))
    assert data.show(LISTS).brief.kept_days is None
    assert data.retention().unset == (LISTS,)
    data.update(LISTS, retention_days=30.0)
    house.holds = ([DataHold(LISTS, "model m/3 (champion) was trained on them", path="pipelines/r.json")], [])
    assert [(one.dataset, one.files) for one in data.retention().held] == [(LISTS, 1)]
    house.holds = ([], [])
    assert data.retain(data.retention().token).files == 1
    assert not (place / "r.json").exists()
    with pytest.raises(Invalid):
        data.register(LISTS, path="/srv")
    with pytest.raises(Refused):
        data.check(LISTS)


@pytest.mark.parametrize("days", [-1.0, float("nan"), float("inf")])
def test_days_are_a_number(data: DataService, days: float) -> None:
    with pytest.raises(Invalid):
        data.retention(days=days)


# -- rules of logs --------------------------------------------------------------------------------------


def test_rules_are_kept_applied_and_taken_back(data: DataService, house: House) -> None:
    told = data.redact("front", {"ssn": "drop", "email": "hash"})
    assert (dict(told.columns), told.is_in_force, house.applied) == ({"ssn": "drop", "email": "hash"}, True, 1)
    assert (told.owner.uid, told.watched_by) == (1007, ("front-monitor",))
    told = data.redact("front", {"SSN": "mask", "email": "keep"})
    assert dict(data.columns_of("front")) == {"SSN": RedactionWay.MASK}
    assert "SSN=mask" in output.text(told)
    assert data.columns_of("other") == {}
    for asked in ({}, {"a": "burn"}, {"": "drop"}, {"a\n": "drop"}, {f"c{n}": "drop" for n in range(201)}):
        with pytest.raises(Invalid):
            data.redact("front", asked)
    with pytest.raises(NotFound):
        data.redact("back", {"a": "drop"})


def test_a_preview_shows_what_would_be_logged_and_changes_nothing(data: DataService, house: House) -> None:
    house.requests = [
        LoggedRequest("r1", 0, 1.0, 1, 200, 0.1, inputs={"email": "a@b.de", "age": 3}, outputs={"ssn": 5}, feedback={"ssn": 6}),
        LoggedRequest("r2", 0, 1.0, 1, 200, 0.1, inputs={"age": 4}),
    ]  # fmt: skip
    found = data.preview("front", {"ssn": "drop", "age": "mask", "none": "drop"})
    assert [(one.request_id, one.column, one.before, one.after) for one in found.values] == [
        ("r1", "ssn", "6", None), ("r1", "age", "3", "***"), ("r2", "age", "4", "***")
    ]  # fmt: skip
    assert found.untouched == ("none",)
    assert [(one.column, one.is_covered) for one in found.hints] == [("email", False), ("ssn", True)]
    assert data.columns_of("front") == {}
    assert "--column email=hash" in output.text(found)


def test_what_was_logged_before_is_shown_and_rewritten_only_by_its_token(data: DataService) -> None:
    with pytest.raises(Refused):
        data.rewriting("front")
    data.redact("front", {"ssn": "drop"})
    shown = data.rewriting("front")
    assert (shown.files, shown.sketches) == (0, ())
    assert data.rewrite("front", shown.token).files == 0
    assert "0 files" in output.text(shown)


def test_a_set_that_is_forgotten_while_others_are_listed_breaks_no_list(
    data: DataService, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.register("old", path="/srv/old", personal="no")
    read = data._tables.sets.list

    def read_while_another_forgets() -> list[CatalogueEntry]:
        monkeypatch.setattr(data._tables.sets, "list", read)
        data.forget("old")
        return read()

    monkeypatch.setattr(data._tables.sets, "list", read_while_another_forgets)
    assert data.list() == []
