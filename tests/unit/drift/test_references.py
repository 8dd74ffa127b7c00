"""What a monitor is held against: a profile that lies with its version's run already, else the data are read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from mlops_desk.drift import worker as drift_worker
from mlops_desk.drift.monitors.ports import NotEnoughRows
from mlops_desk.drift.profile import worker
from mlops_desk.drift.profile.file_format import to_bytes
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.records.columns import ColumnRole
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.drift.records.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.drift.reference_dataset import address_of
from mlops_desk.drift.references import References
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound, Unavailable
from mlops_desk.kit.storage.requests import LogWindow
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef
from tests.unit.drift.test_registry_profiles import DATA, Store, reference_profile

MONITOR = Monitor("m1", "drafts", Source(SourceKind.LOG, "drafts"), endpoint="drafts")


def references(error: Exception) -> References:
    def find(_endpoint: Endpoint, _contexts: object) -> Path:
        raise error

    endpoint = Endpoint("drafts", EndpointState.LIVE, "http://127.0.0.1:1", 1, ModelRef("m", "1", "models:/m/1"))
    return References(
        lambda _name: endpoint,
        find,
        lambda _endpoint: {},
        lambda *_: None,
        lambda *_: DATA,
        Store().profiles(),
        lambda *_: None,
    )


def test_it_says_how_the_monitor_is_given_a_file_and_not_how_to_compare_once() -> None:
    missing = NotFound("Run r has no dataset logged with it.", Hint("mlops-desk drift check drafts --reference FILE"))
    with pytest.raises(NotFound, match="Run r has no dataset") as caught:
        references(missing).make(MONITOR)
    assert caught.value.command == "mlops-desk drift monitors configure drafts --reference-file FILE"


def test_what_is_only_out_of_reach_keeps_its_own_hint() -> None:
    with pytest.raises(Unavailable) as caught:
        references(Unavailable("The registry does not answer.", "Start it.")).make(MONITOR)
    assert caught.value.hint == "Start it."


def test_who_has_logged_a_data_set_without_its_path_is_not_told_to_log_it() -> None:
    with pytest.raises(NotFound) as unknown:
        address_of(replace(DATA, source=json.dumps({"tags": {"mlflow.source.name": "train.py"}})))
    with pytest.raises(NotFound, match="was logged without the path of its data") as caught:
        references(unknown.value).make(MONITOR)
    assert caught.value.command == "mlops-desk drift monitors configure drafts --reference live"
    hint = str(caught.value.hint)
    assert "--reference-file FILE" in hint
    assert "source=PATH" in hint
    assert "Log it while training" not in hint


class Desk:
    """One desk's monitor of a version that another desk may have had, too."""

    def __init__(
        self,
        store: Store,
        file: Path,
        data: object = DATA,
        found_as: Callable[[Endpoint, Path], str | None] = lambda *_: None,
    ) -> None:
        self.published = store.profiles()
        self.read = 0
        self.data = data
        ref = ModelRef("m", "1", "models:/m/1", run_id="r1")
        self.endpoint = Endpoint("drafts", EndpointState.LIVE, "http://127.0.0.1:1", 1, ref)
        self.references = References(
            lambda _name: self.endpoint,
            lambda *_: file,
            lambda _endpoint: {"a": "numeric"},
            self.run,
            self.dataset,
            self.published,
            lambda *_: None,
            found_as,
        )

    def run(self, _module: str, request: Mapping[str, Any], _seconds: float) -> None:
        self.read += 1
        Path(request["out"]).write_bytes(to_bytes(reference_profile()))

    def dataset(self, *_: object) -> Any:
        if isinstance(self.data, Exception):
            raise self.data
        return self.data


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "data.csv").write_text("a\n1\n")
    return tmp_path / "data.csv"


def test_a_second_desk_takes_what_the_first_has_left_and_reads_nothing(file: Path) -> None:
    store = Store()
    first = Desk(store, file)
    made = first.references.make(MONITOR)
    first.published.settle()
    second = Desk(store, Path("/nowhere"))
    found = second.references.make(MONITOR)
    assert (first.read, second.read) == (1, 0)
    assert to_bytes(found) == to_bytes(made)
    assert second.references.place(MONITOR) == first.references.place(MONITOR)


def test_what_was_found_again_is_kept_with_its_run_for_when_the_file_is_gone(file: Path) -> None:
    """A data set without a path whose file was known by its digest: that file may be gone tomorrow."""
    store, bare = Store(), replace(DATA, source=json.dumps({"tags": {"mlflow.source.name": "train.py"}}))
    told: list[str | None] = ["train.csv, the file of its mounts that has the digest"]
    first = Desk(store, file, bare, lambda *_: told[0])
    assert first.references.make(MONITOR).found_as == told[0]
    first.published.settle()
    assert store.puts == 1
    later = Desk(store, Path("/nowhere"), bare)
    assert later.references.make(MONITOR).found_as == "the profile that is kept with its run"
    assert later.read == 0

    # A profile that lies with the run is not left there a second time.
    file.write_bytes(to_bytes(reference_profile()))
    store.files.clear()
    told[0] = "the profile drift/reference.profile that is kept with its run"
    again = Desk(store, file, bare, lambda *_: told[0])
    assert again.references.make(MONITOR).found_as == told[0]
    again.published.settle()
    assert (store.puts, again.read) == (1, 0)


def test_another_data_set_or_damage_is_read_anew(file: Path) -> None:
    store = Store()
    first = Desk(store, file)
    first.references.make(MONITOR)
    first.published.settle()
    other = Desk(store, file, replace(DATA, digest="newer"))
    other.references.make(MONITOR)
    place = first.references.place(MONITOR)
    assert place is not None
    store.files[place.path] = b"\x80\x04."
    again = Desk(store, file)
    again.references.make(MONITOR)
    again.published.settle()
    assert (other.read, again.read) == (1, 1)
    assert store.files[place.path] == to_bytes(reference_profile())


@pytest.mark.parametrize("why", ["a file", "no data set", "no run"])
def test_what_is_not_the_versions_own_goes_nowhere(file: Path, why: str) -> None:
    store = Store()
    desk = Desk(store, file, NotFound("Run r1 has no dataset.") if why == "no data set" else DATA)
    held = MONITOR
    if why == "a file":
        held = replace(MONITOR, reference=Reference(ReferenceKind.FILE, str(file)))
    if why == "no run":
        desk.endpoint = replace(desk.endpoint, model=replace(desk.endpoint.model, run_id=None))
    desk.references.make(held)
    desk.published.settle()
    assert desk.read == 1
    assert not store.files
    assert desk.references.place(held) is None


class Evaluated:
    """A version whose data set has answers of its own, and perhaps a table of its evaluation; the worker is real."""

    def __init__(self, folder: Path, table: object, store: Store | None = None) -> None:
        self.published = (store or Store()).profiles()
        random = np.random.default_rng(3)
        self.folder, self.table = folder, table
        self.read = 0
        lines = [f"{a:.3f},{a > 0},{'east' if a < 1 else 'west'}" for a in random.normal(0, 1, 200)]
        (folder / "data.csv").write_text("a,prediction,site\n" + "\n".join(lines) + "\n")
        ref = ModelRef("m", "1", "models:/m/1", run_id="r1")
        endpoint = Endpoint("drafts", EndpointState.LIVE, "http://127.0.0.1:1", 1, ref)
        self.references = References(
            lambda _name: endpoint,
            lambda *_: folder / "data.csv",
            lambda _endpoint: {"a": "numeric"},
            self.run,
            lambda *_: DATA,
            self.published,
            self.evaluation,
        )

    def run(self, _module: str, request: Mapping[str, Any], _seconds: float) -> object:
        self.read += 1
        return worker.answer(dict(request))

    def evaluation(self, _endpoint: Endpoint, folder: Path) -> Path | None:
        if self.table is None or isinstance(self.table, Exception):
            if self.table is not None:
                raise self.table
            return None
        (folder / "eval_results_table.json").write_text(json.dumps(self.table))
        return folder / "eval_results_table.json"


def answers(made: DataProfile) -> list[str]:
    return [one.column.name for one in made.columns if one.column.role is ColumnRole.PREDICTION]


TABLE = {"columns": ["a", "target", "outputs"], "data": [[n / 10, n % 2, n % 3] for n in range(90)]}


@pytest.mark.slow
def test_answers_are_those_of_the_evaluation_and_else_of_the_data_set(tmp_path: Path) -> None:
    made = Evaluated(tmp_path, TABLE).references.make(MONITOR)
    assert answers(made) == ["outputs"]
    assert made.columns[-1].sketch is not None
    assert (made.n_rows, made.columns[-1].sketch.n_rows) == (200, 90)  # type: ignore[union-attr]  # of classes
    assert answers(Evaluated(tmp_path, None).references.make(MONITOR)) == ["prediction"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"columns": ["a", "target"], "data": [[1, 2]]}, "no answers in it"),
        ({"rows": 1}, "can't be used"),
        (Unavailable("The registry does not answer."), "The registry does not answer."),
    ],
)
def test_a_table_that_can_not_be_used_is_told_and_the_data_are_watched(
    tmp_path: Path, table: object, said: str
) -> None:
    made = Evaluated(tmp_path, table).references.make(MONITOR)
    assert answers(made) == ["prediction"]
    assert any(said in note for note in made.notes)


def test_whoever_names_the_answers_has_them_from_the_data(tmp_path: Path) -> None:
    assert answers(Evaluated(tmp_path, TABLE).references.make(replace(MONITOR, predictions=("prediction",)))) == [
        "prediction"
    ]


def test_a_monitor_of_chosen_columns_asks_for_no_evaluation(tmp_path: Path) -> None:
    made = Evaluated(tmp_path, AssertionError("asked")).references.make(replace(MONITOR, columns=("a",)))
    assert answers(made) == []


SEGMENTED = replace(MONITOR, segment="site")


@pytest.mark.slow
def test_a_segmented_monitor_takes_no_profile_that_is_not_told_apart_and_leaves_none_for_others(tmp_path: Path) -> None:
    store = Store()
    first = Evaluated(tmp_path, None, store)
    plain = first.references.make(MONITOR)
    first.published.settle()
    lying = dict(store.files)
    assert lying
    world = Evaluated(tmp_path, None, store)
    made = world.references.make(SEGMENTED)
    world.published.settle()
    assert world.read == 1, "what lies in the registry knows no segments"
    assert made.segments is not None
    assert [part.n_rows for part in made.segments.parts if part.n_rows] == [165, 35]
    assert store.files == lying
    assert plain.segments is None
    assert world.references.place(SEGMENTED) == first.references.place(MONITOR), "they are of the same data"


@pytest.mark.slow
def test_answers_of_an_evaluation_are_known_of_no_segment_and_those_of_the_training_of_none_either(
    tmp_path: Path,
) -> None:
    made = Evaluated(tmp_path, TABLE).references.make(SEGMENTED)
    assert answers(made) == ["outputs"]
    assert made.segments is not None
    names = [one.column.name for one in made.columns]
    for part in made.segments.parts:
        assert [one.column.name for one in part.columns] == names
        assert {one.column.name: one.sketch is None for one in part.columns} == {
            "a": False,
            "site": False,
            "outputs": True,
        }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("told_apart", "wanted", "problem"),
    [
        ("site", "site", None),
        ("site", None, None),
        (None, "site", "is not told apart by site"),
        ("a", "site", "is not told apart by site"),
    ],
)
def test_a_stored_profile_is_taken_where_it_is_told_apart_as_the_monitor_wants_it(
    tmp_path: Path, told_apart: str | None, wanted: str | None, problem: str | None
) -> None:
    world = Evaluated(tmp_path, None)
    file = tmp_path / "site.profile"
    held = Reference(ReferenceKind.FILE, str(tmp_path / "data.csv"))
    file.write_bytes(to_bytes(world.references.make(replace(MONITOR, reference=held, segment=told_apart))))
    monitor = replace(MONITOR, reference=Reference(ReferenceKind.FILE, str(file)), segment=wanted)
    if problem is not None:
        with pytest.raises(Invalid, match=problem):
            world.references.make(monitor)
        return
    made = world.references.make(monitor)
    assert (None if made.segments is None else made.segments.cut.column.name) == wanted
    assert world.read == 1


class Live:
    """An endpoint whose rows are one column; the later ones of it may be others."""

    def __init__(self, folder: Path) -> None:
        self.values: list[float] = []
        self.compared = 0
        self.broken_from: int | None = None
        self.published = Store()
        ref = ModelRef("m", "3", "models:/m/3", run_id="r1")
        endpoint = Endpoint("drafts", EndpointState.LIVE, "http://127.0.0.1:1", 1, ref)
        self.references = References(
            lambda _name: endpoint, lambda *_: folder, lambda _endpoint: {"a": "numeric"}, self.run, lambda *_: DATA,
            self.published.profiles(), lambda *_: None, first_rows=self.first_rows,
        )  # fmt: skip
        self.monitor = replace(MONITOR, reference=Reference(ReferenceKind.LIVE))

    def first_rows(self, _name: str, rows: int, target: Path, after: int) -> LogWindow:
        there = self.values[after : after + rows]
        is_whole = self.broken_from is None or after + rows <= self.broken_from
        column = "a" if is_whole else "a || ' mm' AS a"
        duckdb.sql(
            f"COPY (SELECT {column} FROM (SELECT unnest({there}::DOUBLE[]) AS a)) TO '{target}' (FORMAT parquet)"
        )
        return LogWindow(len(there), 1.0, 2.0)

    def run(self, module: str, request: Mapping[str, Any], _seconds: float) -> Any:
        if module == "mlops_desk.drift.worker":
            self.compared += 1
            return drift_worker.answer(dict(request))
        return worker.answer(dict(request))


def cycle(n: int, higher: float = 0.0) -> list[float]:
    return [at % 17 + higher for at in range(n)]


def test_first_live_rows_are_the_reference_as_soon_as_there_are_enough(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.values = cycle(499)
    with pytest.raises(NotEnoughRows, match="499 of its first 500 rows"):
        live.references.make(live.monitor)
    live.values = cycle(2000)
    made = live.references.make(live.monitor)
    assert (made.n_rows, made.found_as) == (500, "the first 500 live rows of version 3")
    assert live.published.files == {}
    with pytest.raises(Invalid, match="first live rows"):
        live.references.path(live.monitor)


def test_rows_of_another_type_are_not_quiet(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.values = cycle(1000)
    live.broken_from = 250
    with pytest.raises(NotEnoughRows, match=r"were not quiet \(.*\ba\b.*\) and are passed over"):
        live.references.make(live.monitor)
    live.broken_from, live.values = None, cycle(2000)
    assert live.references.make(live.monitor).n_rows == 500


def test_rows_that_are_not_quiet_are_passed_over_and_it_is_said_how_far_it_is(tmp_path: Path) -> None:
    """The first 300 were tried out with other numbers: what is usual comes after them."""
    live = Live(tmp_path)
    live.values = cycle(300, higher=100.0) + cycle(400)
    with pytest.raises(NotEnoughRows) as waits:
        live.references.make(live.monitor)
    assert waits.value.message == (
        "Waits for its reference: the first 250 rows were not quiet (a moved) and are passed over; 450 of 500 rows after "
        "them are there."
    )
    with pytest.raises(NotEnoughRows):
        live.references.make(live.monitor)
    assert live.compared == 1, "what was passed over is not compared at each look"
    live.values += cycle(400)
    made = live.references.make(live.monitor)
    assert (made.n_rows, made.found_as) == (500, "rows 501 to 1,000 of version 3, the first 500 quiet live rows")


def test_a_column_that_a_monitor_leaves_out_keeps_no_rows_from_being_its_reference(tmp_path: Path) -> None:
    """Also of rows that were passed over for it before: by another monitor, or until a person left it out."""
    live = Live(tmp_path)
    live.values = cycle(300, higher=100.0) + cycle(400)
    with pytest.raises(NotEnoughRows, match="a moved"):
        live.references.make(live.monitor)
    made = live.references.make(replace(live.monitor, suppressed={"a": "It counts on."}))
    assert (made.n_rows, made.found_as) == (500, "the first 500 live rows of version 3")
