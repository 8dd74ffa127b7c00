"""What the desk deletes by itself: the longer hold wins, and what nobody could be asked about stays."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.governance.data.desk_files import LISTS, desk_files
from mlops_desk.governance.data.retention import RetentionHouse
from mlops_desk.governance.data.retention_plan import DataHold
from mlops_desk.governance.data.retention_policy import DataKeeping, KeepingHouse, old_lists, rows_keep
from mlops_desk.governance.records.data.retention import RetentionItem, RowsKeep
from mlops_desk.kit.base.errors import TimedOut
from mlops_desk.kit.base.loop import Loop

NOW = 1_790_000_000.0
DAY = 86_400.0


@given(
    least=st.floats(1, 3650), said=st.none() | st.floats(0.1, 36_525), age=st.floats(0, 40_000),
    hold=st.none() | st.tuples(st.none() | st.floats(0, 2e9), st.none() | st.floats(0, 2e9)), missing=st.booleans(),
)  # fmt: skip
@example(least=30.0, said=90.0, age=60.0, hold=None, missing=False)
@example(least=30.0, said=7.0, age=20.0, hold=None, missing=False)
@example(least=1.0, said=None, age=4000.0, hold=(None, None), missing=False)
@example(least=1.0, said=None, age=4000.0, hold=None, missing=True)
def test_rows_go_only_when_nothing_at_all_keeps_them(
    least: float, said: float | None, age: float, hold: tuple[float | None, float | None] | None, missing: bool
) -> None:
    holds = [] if hold is None else [DataHold("front/requests", "x", *hold), DataHold("other/requests", "y")]
    ends = NOW - age * DAY
    keep = rows_keep("front/requests", least, said, holds, ["?"] if missing else [])
    item = RetentionItem("front/requests", "a", ends - 3600, ends, 1, 1, 1)
    if not keep.keeps(item.begins, item.ends, NOW):
        assert not missing
        assert age >= least - 1e-9
        assert said is None or age >= said - 1e-9
        assert not any(one.holds(item) for one in holds)
    elif not missing and not any(one.holds(item) for one in holds):
        assert age <= max(least, said or 0.0) + 1e-9, "what nothing keeps does not stay for ever"


def a_list(number: int) -> RetentionItem:
    return RetentionItem(LISTS, f"pipelines/{number}.json", NOW - number * DAY, NOW - number * DAY, 1, 1, 1)


def paths(found: Sequence[RetentionItem]) -> list[str]:
    return [one.path for one in found]


def test_the_newest_lists_stay_and_of_the_others_those_that_something_stands_on() -> None:
    files = [a_list(number) for number in range(203)]
    assert paths(old_lists(files, None, [], NOW)) == [f"pipelines/{number}.json" for number in (202, 201, 200)]
    champion = DataHold(LISTS, "model m/3 (champion)", path="pipelines/201.json")
    assert paths(old_lists(files, None, [champion], NOW)) == ["pipelines/202.json", "pipelines/200.json"]
    assert paths(old_lists(files, 200.5, [], NOW)) == ["pipelines/202.json", "pipelines/201.json"]
    assert old_lists(files[:200], None, [], NOW) == []


class Rig:
    """A house that says what a test wants."""

    def __init__(self, root: Path) -> None:
        self.held: tuple[list[DataHold], list[str]] = ([], [])
        self.said: dict[str, float | None] = {}
        self.told = 0
        self.loop = Loop("test")
        retention = RetentionHouse(
            root, lambda: desk_files(root, root / "endpoints", root / "pipelines"), lambda: self.held
        )
        house = KeepingHouse(lambda: 30.0, lambda: self.said, self.publish)
        self.keeping = DataKeeping(retention, house, self.loop)

    def publish(self) -> None:
        self.told += 1


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_nobody_is_asked_while_nothing_is_there_that_could_go(rig: Rig, tmp_path: Path) -> None:
    rig.held = ([], ["A registry that takes its time."])
    rig.keeping.look()
    assert rig.keeping.of("front").requests == RowsKeep(30.0)
    lists_of(tmp_path, 1)
    rig.keeping.look()
    assert rig.keeping.of("front").requests == RowsKeep(None)


def test_before_anybody_was_asked_nothing_goes_by_its_age_and_then_the_gateway_is_told(
    rig: Rig, tmp_path: Path
) -> None:
    lists_of(tmp_path, 1)
    assert rig.keeping.of("front").requests == RowsKeep(None)
    rig.keeping.look()
    rig.keeping.look()
    assert (rig.told, rig.keeping.of("front").requests, rig.keeping.of("front").labels) == (
        1, RowsKeep(30.0), RowsKeep(30.0)
    )  # fmt: skip
    rig.said = {"front/labels": 365.0, "front/requests": 7.0}
    assert (rig.keeping.of("front").labels.days, rig.keeping.of("front").requests.days) == (365.0, 30.0)
    rig.held = ([DataHold("front/requests", "x", 1.0, 2.0)], [])
    rig.keeping.look()
    assert (rig.told, rig.keeping.of("front").requests.spans) == (2, ((1.0, 2.0),))
    rig.held = ([], ["The registry could not be asked."])
    rig.keeping.look()
    assert (rig.told, rig.keeping.of("front").requests.days) == (3, None)


def lists_of(root: Path, count: int) -> list[Path]:
    (root / "pipelines").mkdir()
    found = [root / "pipelines" / f"{number:03}.json" for number in range(count)]
    for number, path in enumerate(found):
        path.write_text("[]")
        os.utime(path, (1e9 + number, 1e9 + number))
    return found


def test_old_lists_are_cleared_away_once_all_could_be_asked_and_other_files_never(rig: Rig, tmp_path: Path) -> None:
    found = lists_of(tmp_path, 202)
    note = tmp_path / "pipelines/notes.txt"
    note.write_text("mine")
    rig.held = ([DataHold(LISTS, "pipeline 000 goes on", path="pipelines/000.json")], ["Models could not be asked."])
    rig.keeping.look()
    assert all(path.exists() for path in found)
    rig.held = (rig.held[0], [])
    rig.keeping.look()
    assert [path.name for path in found if not path.exists()] == ["001.json"]
    assert note.exists()


def test_a_disk_that_hangs_leaves_the_lists_and_that_is_said(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = lists_of(tmp_path, 201)

    def hangs(*_: object) -> None:
        raise TimedOut("It takes too long.")

    monkeypatch.setattr("mlops_desk.governance.data.retention_policy.delete", hangs)
    rig.keeping.look()
    assert found[0].exists()
    assert "can't be cleared away: It takes too long." in caplog.text
    monkeypatch.setattr(rig.loop, "call", hangs)
    rig.keeping.look()
    assert "can't be looked through: It takes too long." in caplog.text
