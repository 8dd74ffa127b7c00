"""What a monitor is held against: a profile that lies with its version's run already, else the data are read."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_desk.base.errors import Hint, Invalid, NotFound, Unavailable
from mlops_desk.desk.drift.references import References
from mlops_desk.desk.reference import address_of
from mlops_desk.drift.monitors.house import NotEnoughRows
from mlops_desk.drift.profile import worker
from mlops_desk.drift.profile.form import to_bytes
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.records.drift.columns import ColumnRole
from mlops_desk.records.drift.monitors import Monitor
from mlops_desk.records.drift.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.records.serving.endpoint import Endpoint, EndpointState, ModelRef
from mlops_desk.storage.requests import LogWindow
from tests.unit.desk.drift.test_published import DATA, Store, reference_profile

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

    def __init__(self, store: Store, file: Path, data: object = DATA) -> None:
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


def test_first_live_rows_are_the_reference_as_soon_as_there_are_enough(tmp_path: Path) -> None:
    there = 499

    def first_rows(_name: str, rows: int, target: Path) -> LogWindow:
        lines = "".join(f"{at % 17}\n" for at in range(min(rows, there)))
        target.write_text(f"a\n{lines}")
        return LogWindow(min(rows, there), 1.0, 2.0)

    def run(_module: str, request: Mapping[str, Any], _seconds: float) -> Any:
        csv = Path(request["reference"]).rename(Path(request["reference"]).with_suffix(".csv"))
        return worker.answer({**request, "reference": str(csv)})

    published = Store()
    ref = ModelRef("m", "3", "models:/m/3", run_id="r1")
    endpoint = Endpoint("drafts", EndpointState.LIVE, "http://127.0.0.1:1", 1, ref)
    held = References(
        lambda _name: endpoint, lambda *_: tmp_path, lambda _endpoint: {"a": "numeric"}, run, lambda *_: DATA,
        published.profiles(), lambda *_: None, first_rows=first_rows,
    )  # fmt: skip
    live = replace(MONITOR, reference=Reference(ReferenceKind.LIVE))
    with pytest.raises(NotEnoughRows, match="499 of its first 500 rows"):
        held.make(live)
    there = 2000
    made = held.make(live)
    assert (made.n_rows, made.found_as) == (500, "the first 500 live rows of version 3")
    assert published.files == {}
    with pytest.raises(Invalid, match="first live rows"):
        held.path(live)
