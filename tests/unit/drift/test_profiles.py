"""What is told of a version's reference: what lies in its registry, what this desk alone has, and what is wrong."""

import numpy as np
import pytest

from mlops_desk.desk.cli import output
from mlops_desk.drift import profiles as module
from mlops_desk.drift.columns import NumericSide
from mlops_desk.drift.profile.bin_edges import frame_of
from mlops_desk.drift.profile.categories import sketch_of_counts
from mlops_desk.drift.profile.file_format import to_bytes
from mlops_desk.drift.profile.numbers import sketch_numbers
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile
from mlops_desk.drift.profiles import ProfileParts, VersionProfiles
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.registry_profiles import PublishedProfiles, place_of
from mlops_desk.kit.base.errors import NotFound, Unavailable
from mlops_desk.registry.records.model import ModelVersion
from tests.unit.drift.test_registry_profiles import DATA, OPTIONS, Store

PLACE = place_of("r1", None, DATA, OPTIONS)


def profile() -> DataProfile:
    values = np.arange(90.0)
    frame, times = frame_of(values), frame_of(1.7e9 + values)
    return DataProfile(
        100,
        (
            ColumnProfile(
                FrozenColumn("x", ColumnKind.NUMERIC), sketch_numbers(frame, NumericSide(values, n_missing=10)), frame
            ),
            ColumnProfile(
                FrozenColumn("at", ColumnKind.TIME),
                sketch_numbers(times, NumericSide(1.7e9 + values, n_missing=10)),
                times,
            ),
            ColumnProfile(FrozenColumn("k", ColumnKind.CATEGORICAL), sketch_of_counts([("b", 25), ("a", 75)])),
            ColumnProfile(FrozenColumn("id", ColumnKind.IDENTIFIER, why_not="An identifier.")),
        ),
    )


class World:
    def __init__(self) -> None:
        self.store = Store()
        self.published: PublishedProfiles = self.store.profiles()
        self.monitors = [Monitor("m1", "cells", Source(SourceKind.LOG, "cells"), endpoint="cells", model="cells/1")]
        self.kept: dict[str, tuple[str, DataProfile]] = {}
        self.run_id: str | None = "r1"
        self.fails: Exception | None = None
        self.places: dict[str, object] = {}
        parts = ProfileParts(
            version=lambda _name, uri: ModelVersion("cells", "1", self.run_id, None, "READY", registry=uri),
            datasets=lambda *_: [DATA],
            monitors=lambda: self.monitors,
            place=self.place,
            kept=self.kept.get,
        )
        self.told = VersionProfiles(parts, self.published)

    def place(self, monitor: Monitor) -> object:
        if self.fails:
            raise self.fails
        return self.places.get(monitor.id, PLACE)

    def ask(self) -> list:
        return self.told.of_version("cells/1", None)


@pytest.fixture
def world() -> World:
    return World()


def test_nothing_is_said_where_there_is_none(world: World) -> None:
    with pytest.raises(NotFound, match="No profile of the data of cells/1 is kept") as caught:
        world.ask()
    assert caught.value.command == "mlops-desk endpoints deploy cells/1 --name NAME"
    world.run_id = None
    with pytest.raises(NotFound, match="names no run"):
        world.ask()


def test_what_is_in_the_registry_is_told_once_with_the_monitors_held_against_it(world: World) -> None:
    world.published.keep(PLACE, profile())
    world.published.settle()
    world.kept["m1"] = "digest", profile()
    (one,) = world.ask()
    assert (one.model, one.run_id, one.path, one.dataset, one.n_rows) == ("cells/1", "r1", PLACE.path, "cells", 100)
    assert (one.monitors, one.problem) == (("cells",), None)
    assert one.size_bytes == len(to_bytes(profile()))
    x, at, k = one.columns
    assert (x.name, x.kind, x.role, x.missing_ratio) == ("x", "numeric", "feature", 0.1)
    assert (x.least, x.most) == (0.0, 89.0)
    assert 43 <= x.median <= 46
    assert at.least == 1.7e9
    assert k.labels == {"a": 0.75, "b": 0.25}
    assert list(k.labels) == ["a", "b"]
    assert one.left_out == {"id": "An identifier."}
    text = output.text([one])
    assert PLACE.path in text
    assert "a 75\u202f%, b 25\u202f%" in text
    assert "2023-11-1" in text
    assert "Left out: id (An identifier.)." in text


def test_what_only_this_desk_has_says_why(world: World) -> None:
    world.store.refuses = Unavailable("The registry is only read.")
    world.published.keep(PLACE, profile())
    world.published.settle()
    world.kept["m1"] = "digest", profile()
    (one,) = world.ask()
    assert (one.path, one.problem, one.monitors) == (None, "The registry is only read.", ("cells",))
    text = output.text([one])
    assert "by this desk alone" in text
    assert "The registry is only read." in text


def test_a_registry_that_does_not_answer_is_told_beside_what_is_here(world: World) -> None:
    world.store.fails = Unavailable("Nothing answers.")
    with pytest.raises(NotFound, match="Nothing answers"):
        world.ask()
    world.kept["m1"] = "digest", profile()
    (one,) = world.ask()
    assert (one.path, one.problem) == (None, "Nothing answers.")


def test_damage_is_told_and_other_versions_monitors_are_not(world: World) -> None:
    world.store.files[PLACE.path] = b"MLOPS"
    world.monitors = [Monitor("m1", "o", Source(SourceKind.LOG, "o"), endpoint="o", model="cells/2")]
    world.kept["m1"] = "digest", profile()
    (one,) = world.ask()
    assert (one.columns, one.monitors, one.n_rows) == ((), (), None)
    assert "not a whole profile" in one.problem
    world.monitors = [Monitor("m1", "o", Source(SourceKind.LOG, "o"), endpoint="o", model="cells/1")]
    world.fails = NotFound("There is no endpoint o.")
    assert [told.monitors for told in world.ask()] == [()]


def test_moments_that_no_clock_shows_are_numbers(world: World) -> None:
    far = np.array([-1e300, 1e300] * 20)
    frame = frame_of(far)
    column = FrozenColumn("at", ColumnKind.TIME)
    made = DataProfile(40, (ColumnProfile(column, sketch_numbers(frame, NumericSide(far)), frame),))
    world.store.files[PLACE.path] = to_bytes(made)
    (told,) = world.ask()
    assert "1e+300" in output.text([told])


def test_what_lies_beyond_a_double_is_not_told() -> None:
    assert [module._finite(one) for one in (None, 1.5, float("inf"), float("nan"))] == [None, 1.5, None, None]


def test_a_monitor_of_another_registrys_run_of_that_id_is_not_told(world: World) -> None:
    world.kept["m1"] = "digest", profile()
    world.places["m1"] = place_of("r1", "https://tracker.example", DATA, OPTIONS)
    with pytest.raises(NotFound, match="No profile of the data of cells/1 is kept"):
        world.ask()
