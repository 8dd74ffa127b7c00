"""A mirror that is kept as its source is: changes, runs that go, a source that fails, extremes of metrics, models."""

from dataclasses import replace

import pytest

from mlops_desk.kit.base.errors import NotFound, Refused, TimedOut, Unavailable
from mlops_desk.registry.mirror.mirror import Mirror
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.readers.batch import RunChanges, VersionRow
from mlops_desk.registry.readers.origins import LoggedModel
from mlops_desk.registry.records.file_glance import FileGlance
from mlops_desk.registry.records.model import Model, ModelVersion, Run
from mlops_desk.registry.store.errors import UnknownSchema
from tests.registry_list_reader import ListReader


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def runs(count: int) -> list[Run]:
    return [
        Run(f"r{n:05d}", f"run {n}", "FINISHED", n, {"auc": n / 10}, {"lr": str(n % 3)}, {}, "0") for n in range(count)
    ]


def loaded(reader: ListReader) -> tuple[Mirror, Clock]:
    clock = Clock()
    mirror = Mirror(reader, clock=clock)
    while mirror.has_work:
        mirror.work()
    return mirror, clock


def ids(mirror: Mirror, **asked: object) -> list[str]:
    return [row.run_id for row in mirror.window(WindowAsked(**asked)).rows]  # type: ignore[arg-type]  # as they are


def test_the_first_window_waits_for_one_batch_alone() -> None:
    mirror = Mirror(ListReader(runs(50)))
    shown = mirror.window(WindowAsked(limit=5))
    assert (len(shown.rows), shown.n_runs, shown.is_loading) == (5, 7, True)
    assert mirror.runs(WindowAsked(limit=5), True).is_loading
    while mirror.has_work:
        mirror.work()
    assert mirror.window(WindowAsked(limit=5)).n_runs == 50


def test_changes_are_taken_in_and_told_by_the_revision() -> None:
    reader = ListReader(runs(10))
    mirror, clock = loaded(reader)
    before = mirror.window(WindowAsked()).revision
    reader.change(
        replace(reader.runs["r00003"], metrics={"auc": 99.0}), Run("new", None, "RUNNING", 3, {}, {}, {}, "0")
    )
    assert mirror.window(WindowAsked()).revision == before, "it looked a moment ago"
    clock.now += 1
    shown = mirror.window(WindowAsked(sort=("metrics.auc:desc",), columns=("metrics.auc",)))
    assert (shown.rows[0].run_id, shown.rows[0].values, shown.n_runs) == ("r00003", (99.0,), 11)
    assert shown.revision > before
    reader.waiting.append(RunChanges("2", gone=("r00003",)))
    clock.now += 1
    assert "r00003" not in ids(mirror)


def test_deleted_runs_are_left_out_and_come_back() -> None:
    reader = ListReader(runs(3))
    mirror, clock = loaded(reader)
    for deleted in (frozenset({"r00001"}), frozenset()):
        reader.deleted = deleted
        reader.change(reader.runs["r00001"])
        clock.now += 1
        assert ("r00001" in ids(mirror)) is not bool(deleted)


def test_rows_are_cleared_away_once_many_are_dead() -> None:
    reader = ListReader(runs(20), size=100)
    mirror, clock = loaded(reader)
    for turn in range(130):
        reader.change(*(replace(run, metrics={"auc": float(turn)}, params={"lr": str(turn)}) for run in runs(20)))
        clock.now += 1
        mirror.work()
    assert len(mirror._loading.table) < 2100
    shown = mirror.window(WindowAsked(sort=("start_time:asc",), columns=("metrics.auc", "params.lr")))
    assert [row.run_id for row in shown.rows] == [f"r{n:05d}" for n in range(20)]
    assert {row.values for row in shown.rows} == {(129.0, "129")}


def test_a_source_that_fails_leaves_what_was_read_and_is_tried_again() -> None:
    reader = ListReader(runs(30))
    mirror, clock = loaded(reader)
    mirror.window(WindowAsked())
    reader.error = Unavailable("The disk is gone.")
    clock.now += 7
    shown = mirror.window(WindowAsked())
    assert (shown.problem, shown.n_runs) == ("The disk is gone.", 30)
    reader.error = None
    clock.now += 3
    assert mirror.window(WindowAsked()).problem is None


def test_a_first_reading_that_broke_off_is_begun_anew_and_keeps_no_run_that_went_meanwhile() -> None:
    reader = ListReader(runs(30))
    clock = Clock()
    mirror = Mirror(reader, clock=clock)
    assert mirror.window(WindowAsked()).n_runs == 7
    reader.error = Unavailable("The disk is gone.")
    mirror.work()
    del reader.runs["r00029"]
    reader.error = None
    assert "r00029" in ids(mirror), "what was read is shown until it is read anew"
    clock.now += 3
    while mirror.has_work:
        mirror.work()
    assert (mirror.window(WindowAsked()).n_runs, "r00029" in ids(mirror)) == (29, False)


class Waiting(ListReader):
    """A source that is locked: it takes five seconds to say so, whatever is asked."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(runs(30))
        self.clock, self.is_locked, self.n_waits = clock, False, 0

    def _raise(self) -> None:
        if self.is_locked:
            self.n_waits += 1
            self.clock.now += 5
            raise TimedOut("It is locked.")


def test_who_asks_a_locked_source_waits_for_it_once_and_not_at_each_turn() -> None:
    clock = Clock()
    reader = Waiting(clock)
    mirror = Mirror(reader, clock=clock)
    while mirror.has_work:
        mirror.work()
    mirror.window(WindowAsked(("a",)))
    reader.is_locked = True
    clock.now += 60
    for _ in range(3):
        assert mirror.window(WindowAsked(("a",))).problem == "It is locked."
        with pytest.raises(TimedOut):
            mirror.runs(WindowAsked(("a",)), strict=True)
    assert reader.n_waits == 1
    with pytest.raises(TimedOut):
        mirror.window(WindowAsked(("another",)))
    assert reader.n_waits == 1
    reader.is_locked = False
    clock.now += 3
    assert mirror.window(WindowAsked(("a",))).problem is None
    assert len(mirror.runs(WindowAsked(("a",)), strict=True).runs) == 30


def test_whoever_looks_on_hears_of_a_lock_and_of_its_end_and_versions_say_of_when_they_are() -> None:
    clock = Clock()
    reader = Waiting(clock)
    reader.model_list = [Model("clf", "1")]
    mirror = Mirror(reader, clock=clock)
    while mirror.has_work:
        mirror.work()
    before = mirror.revision
    found = mirror.search("", 5)
    assert (found.problem, found.read_at is None) == (None, False)
    reader.is_locked = True
    clock.now += 1
    mirror.work()
    assert mirror.revision == before + 1
    assert mirror.search("", 5).problem == "It is locked."
    clock.now += 3
    mirror.work()
    assert mirror.revision == before + 1, "what goes on is no news"
    reader.is_locked = False
    clock.now += 3
    mirror.work()
    assert (mirror.revision, mirror.search("", 5).problem) == (before + 2, None)


def test_a_source_that_lets_nobody_in_is_tried_less_and_less_and_read_once_it_does() -> None:
    clock, reader, tries = Clock(), ListReader(runs(5)), []
    mirror = Mirror(reader, clock=clock)
    reader.error = Refused("It asks for a login.")
    for _ in range(600):
        if mirror.has_work:
            tries.append(clock.now - 100)
            mirror.work()
        clock.now += 1
    assert tries == [0, 4, 12, 28, 60, 124, 244, 364, 484]
    with pytest.raises(Refused):
        mirror.window(WindowAsked())  # tried for whoever asks
    reader.error = None
    clock.now += 1
    with pytest.raises(Refused):
        mirror.window(WindowAsked())
    clock.now += 1
    assert mirror.window(WindowAsked()).n_runs == 5, "at once where somebody asks"
    while mirror.has_work:
        mirror.work()
    assert mirror.window(WindowAsked()).n_runs == 5


def test_a_schema_that_became_unknown_while_one_looked_is_told_to_whoever_asks() -> None:
    reader = ListReader(runs(5))
    mirror, clock = loaded(reader)
    reader.error = UnknownSchema("It is newer.")
    clock.now += 7
    for ask in (lambda: mirror.window(WindowAsked()), mirror.models, mirror.cards, lambda: mirror.search("a", 5)):
        with pytest.raises(UnknownSchema):
            ask()


def test_models_go_on_where_runs_can_not_be_read() -> None:
    reader = ListReader(runs(5))
    reader.model_list = [Model("clf", "1")]
    reader.error = Unavailable("The table of runs is damaged.")
    mirror = Mirror(reader)
    assert [model.name for model in mirror.models()] == ["clf"]
    assert [card.name for card in mirror.cards()] == ["clf"]
    for ask in (lambda: mirror.window(WindowAsked()), lambda: mirror.search("auc>1", 5)):
        with pytest.raises(Unavailable, match="damaged"):
            ask()


def test_models_of_a_store_that_was_moved_away_are_not_told_as_if_they_were_there() -> None:
    reader = ListReader(runs(5))
    reader.model_list = [Model("clf", "1")]
    mirror, clock = loaded(reader)
    assert [model.name for model in mirror.models()] == ["clf"]
    mirror.window(WindowAsked())
    reader.error = NotFound("There is no store.")
    clock.now += 7
    for ask in (mirror.models, lambda: mirror.model("clf"), lambda: mirror.versions("clf"),
                lambda: mirror.versions_of_run("r00001")):  # fmt: skip
        with pytest.raises(NotFound, match="no store"):
            ask()
    assert mirror.window(WindowAsked()).n_runs == 5, "a page goes on to show it, with the problem"
    reader.error = None
    clock.now += 3
    assert [model.name for model in mirror.models()] == ["clf"]


def test_experiments_are_those_of_the_file_that_lies_there_now() -> None:
    reader = ListReader(runs(3))
    mirror, clock = loaded(reader)
    looks = []
    changes = reader.changes
    reader.changes = lambda mark: looks.append(mark) or changes(mark)  # type: ignore[method-assign, func-returns-value]  # counts
    clock.now += 7
    mirror.experiments()
    assert len(looks) == 1, "a look is what notices that another file lies there"


def test_a_source_that_never_was_read_says_why() -> None:
    reader = ListReader(runs(3))
    reader.error = Unavailable("The disk is gone.")
    with pytest.raises(Unavailable, match="disk is gone"):
        Mirror(reader).window(WindowAsked())


def test_a_store_that_is_another_one_is_read_anew_while_the_old_one_answers() -> None:
    reader = ListReader(runs(30))
    mirror, clock = loaded(reader)
    reader.runs = {"only": Run("only", None, "FINISHED", 1, {}, {}, {}, "0")}
    reader.waiting.append(RunChanges("9", everything=True))
    clock.now += 1
    assert (mirror.window(WindowAsked()).n_runs, mirror.has_work) == (30, True)
    while mirror.has_work:
        mirror.work()
    assert ids(mirror) == ["only"]


def test_extremes_are_asked_for_what_is_on_screen_and_for_all_when_sorted_by() -> None:
    reader = ListReader(runs(1200), size=500)
    for run in runs(1200):
        reader.logged[run.run_id, "auc"] = [float(run.start_time or 0), -5.0, float("nan"), 2.0]
    del reader.logged["r00007", "auc"]
    mirror, _ = loaded(reader)
    columns = ("metrics.auc:max", "metrics.auc:min", "metrics.auc:first", "metrics.auc:step=3")
    shown = mirror.window(WindowAsked(columns=columns, limit=2))
    assert [row.values for row in shown.rows] == [(1199.0, -5.0, 1199.0, 2.0), (1198.0, -5.0, 1198.0, 2.0)]
    assert {count for _, count in reader.asked} == {2}
    sort = ("metrics.auc:max:asc",)
    assert mirror.window(WindowAsked(sort=sort, limit=3)).is_loading
    while mirror.has_work:
        mirror.work()
    assert max(count for _, count in reader.asked) == 500
    shown = mirror.window(WindowAsked(sort=sort, limit=1200))
    assert (shown.is_loading, [row.run_id for row in shown.rows[:3]]) == (False, ["r00002", "r00001", "r00000"])
    assert shown.rows[-1].run_id == "r00007"


def test_the_extremes_of_a_store_that_was_replaced_are_asked_for_anew() -> None:
    reader = ListReader(runs(3))
    reader.logged["r00001", "auc"] = [0.5]
    mirror, clock = loaded(reader)
    asked = WindowAsked(columns=("metrics.auc:max",))
    assert {row.run_id: row.values for row in mirror.window(asked).rows}["r00001"] == (0.5,)
    reader.logged["r00001", "auc"] = [0.7]
    reader.waiting.append(RunChanges("9", everything=True))
    clock.now += 1
    mirror.window(WindowAsked())
    while mirror.has_work:
        mirror.work()
    assert {row.run_id: row.values for row in mirror.window(asked).rows}["r00001"] == (0.7,)


def test_the_extremes_of_a_single_run_that_came_since_are_told() -> None:
    reader = ListReader(runs(3))
    mirror, clock = loaded(reader)
    asked = WindowAsked(columns=("metrics.auc:max",))
    mirror.window(asked)
    reader.change(Run("new", None, "RUNNING", 9, {"auc": 0.3}, {}, {}, "0"))
    reader.logged["new", "auc"] = [0.8, 0.3]
    clock.now += 1
    first = mirror.window(asked).rows[0]
    assert (first.run_id, first.values) == ("new", (0.8,))


def test_columns_are_told_as_soon_as_there_are_runs() -> None:
    assert {one.name for one in Mirror(ListReader(runs(20))).columns((), "")} >= {"metrics.auc", "params.lr"}


def test_versions_are_found_newest_first_whatever_their_models_are_called() -> None:
    reader = ListReader(runs(3))
    reader.model_list = [Model("a", "1"), Model("b", "1"), Model("c", "1")]
    times = {"a": 2.0, "b": 3.0, "c": None}
    reader.version_rows = [
        VersionRow(ModelVersion(name, "1", None, None, "READY", created_at=at)) for name, at in times.items()
    ]
    mirror, _ = loaded(reader)
    assert [hit.name for hit in mirror.search("", 10).hits] == ["b", "a", "c"]
    assert [hit.name for hit in mirror.search("", 1).hits] == ["b"]


def test_a_version_is_found_by_the_columns_that_its_run_has_logged_it_with() -> None:
    logged = '[{"signature": {"inputs": "[{\\"name\\": \\"Age\\", \\"type\\": \\"long\\"}]"}}]'
    reader = ListReader([replace(run, tags={"mlflow.log-model.history": logged}) for run in runs(1)])
    reader.model_list = [Model("churn", "1")]
    reader.version_rows = [VersionRow(ModelVersion("churn", "1", "r00000", None, "READY", created_at=1.0))]
    mirror, _ = loaded(reader)
    assert [hit.name for hit in mirror.search("column:age", 10).hits] == ["churn"]
    assert mirror.search("column:weight", 10).hits == ()


def test_what_files_say_may_come_before_anybody_has_searched() -> None:
    mirror, _, _ = with_versions()
    mirror.models()
    mirror.take_files([FileGlance("churn", "2", "models:/m-2", ("onnx",))])
    assert [hit.version for hit in mirror.search("flavor:onnx", 10).hits] == ["2"]


def test_versions_are_found_by_their_runs_and_anew_when_those_change() -> None:
    reader = ListReader(runs(3))
    reader.model_list = [Model("churn", "2", {"champion": "1"})]
    made = [ModelVersion("churn", n, f"r0000{n}", None, "READY", created_at=float(n)) for n in ("2", "1")]
    reader.version_rows = [VersionRow(version) for version in made]
    mirror, clock = loaded(reader)
    assert [hit.version for hit in mirror.search("auc>0.15", 10).hits] == ["2"]
    assert mirror.cards()[0].metric == ("auc", 0.2)
    reader.change(replace(reader.runs["r00001"], metrics={"auc": 0.9}))
    clock.now += 1
    assert [hit.version for hit in mirror.search("auc>0.5", 10).hits] == ["1"]
    n_reads = len([1 for what, _ in reader.asked if what == "models"])
    reader.waiting.append(RunChanges("3", models_changed=True))
    clock.now += 1
    mirror.models()
    assert len([1 for what, _ in reader.asked if what == "models"]) == n_reads + 1


def test_the_first_of_many_equal_ones_are_the_newest() -> None:
    reader = ListReader([replace(run, metrics={"auc": 1.0}) for run in runs(3000)], size=1000)
    mirror, _ = loaded(reader)
    assert ids(mirror, sort=("metrics.auc:asc",), limit=5) == [f"r{n:05d}" for n in range(2999, 2994, -1)]
    assert ids(mirror, sort=("metrics.auc:asc",), limit=5, offset=2995) == [f"r{n:05d}" for n in range(4, -1, -1)]


def test_what_runs_were_given_and_gave_is_asked_of_the_source_itself() -> None:
    reader = ListReader(runs(3))
    mirror = Mirror(reader)
    reader.logged_as["m-1"] = LoggedModel("m-1", "net", "r00001", "READY")
    assert [one.run_id for one in mirror.origins(["r00002", "gone", "r00001"])] == ["r00002", "r00001"]
    assert mirror.logged_models(["m-2", "m-1"]) == [LoggedModel("m-1", "net", "r00001", "READY")]
    reader.error = Unavailable("down")
    with pytest.raises(Unavailable, match="down"):
        mirror.origins(["r00001"])


def test_groups_are_told_of_all_runs_or_of_none() -> None:
    mirror = Mirror(ListReader(runs(50)))
    found = mirror.groups([], "", ["params.lr"], ["auc"])
    assert (found.groups, found.is_loading) == ((), True), "seven of them were read"
    while mirror.has_work:
        mirror.work()
    found = mirror.groups([], "", ["params.lr"], ["auc"])
    assert (found.is_loading, [group.n_runs for group in found.groups]) == (False, [17, 17, 16])


def test_groups_tell_of_the_largest_and_least_values_once_all_of_them_are_known() -> None:
    reader = ListReader(runs(1200))
    mirror, _clock = loaded(reader)
    for number in range(1200):
        reader.logged[f"r{number:05d}", "auc"] = [0.5, float(number), 0.25]
    asked: tuple[list[str], str, list[str], list[str]] = ([], "", ["params.lr"], ["auc", "auc:max", "auc:step=2"])
    assert mirror.groups(*asked).is_loading
    while mirror.has_work:
        mirror.work()
    first = mirror.groups(*asked).groups[0]
    assert [spread.name for spread in first.metrics] == ["auc", "auc:max", "auc:step=2"]
    assert [spread.n_runs for spread in first.metrics] == [400, 400, 400]
    assert (first.metrics[1].least, first.metrics[1].largest, first.metrics[1].deviation is None) == (
        0.5,
        1197.0,
        False,
    )
    assert (first.metrics[2].largest, first.metrics[2].deviation) == (0.25, 0.0)


def test_groups_of_a_store_that_stopped_being_read_say_why() -> None:
    reader = ListReader(runs(50))
    mirror = Mirror(reader)
    mirror.window(WindowAsked(limit=5))
    reader.error = Unavailable("The store is gone.")
    mirror.work()
    with pytest.raises(Unavailable, match="The store is gone"):
        mirror.groups([], "", ["params.lr"], [])


def with_versions() -> tuple[Mirror, ListReader, Clock]:
    reader = ListReader(runs(3))
    reader.model_list = [Model("churn", "2")]
    made = [ModelVersion("churn", n, f"r0000{n}", f"models:/m-{n}", "READY", created_at=float(n)) for n in ("2", "1")]
    reader.version_rows = [VersionRow(version) for version in made]
    mirror, clock = loaded(reader)
    return mirror, reader, clock


def test_what_files_say_is_searched_once_it_is_taken_and_told_as_news() -> None:
    mirror, _, _ = with_versions()
    assert [one.version for one in mirror.without_files("auc>0.15 flavor:onnx", 10)] == ["2"]
    assert [one.version for one in mirror.without_files("", 10)] == ["2", "1"]
    assert [one.version for one in mirror.without_files("", 1)] == ["2"]
    before = mirror.revision
    mirror.take_files([FileGlance("churn", "2", "models:/m-2", ("onnx",), "onnx", 7, ("Age",), "table (1)")])
    assert mirror.revision > before
    (hit,) = mirror.search("flavor:onnx size:7 column:age data:table", 10).hits
    assert (hit.version, hit.format, hit.size_bytes, hit.dataset) == ("2", "onnx", 7, "table (1)")
    assert [one.version for one in mirror.without_files("", 10)] == ["1"]


def test_what_files_say_outlasts_a_change_of_models_but_not_of_where_the_files_are() -> None:
    mirror, reader, clock = with_versions()
    mirror.take_files([FileGlance("churn", "2", "models:/m-2", ("onnx",))])
    for source, flavors in (("models:/m-2", ("onnx",)), ("models:/m-new", None)):
        reader.version_rows = [VersionRow(replace(reader.version_rows[0].version, source=source))]
        reader.waiting.append(RunChanges(source, models_changed=True))
        clock.now += 1
        assert mirror.search("", 10).hits[0].flavors == flavors


def test_a_search_tells_of_how_many_versions_the_files_are_still_to_be_read() -> None:
    mirror, _, _ = with_versions()
    told = mirror.search("flavor:onnx", 10)
    assert (told.hits, told.n_found, told.n_unread, told.is_loading) == ((), 0, 2, False)
    mirror.take_files([FileGlance("churn", "2", "models:/m-2", ("onnx",))])
    told = mirror.search("flavor:onnx", 10)
    assert ([hit.version for hit in told.hits], told.n_unread, told.is_whole) == (["2"], 1, False)
    mirror.take_files([FileGlance("churn", "1", "models:/m-1", None)])  # looked into, and nothing could be read
    assert mirror.search("flavor:onnx", 10).is_whole


def test_a_search_while_runs_are_read_says_that_more_may_come() -> None:
    reader = ListReader(runs(3))
    reader.model_list = [Model("churn", "1")]
    reader.version_rows = [VersionRow(ModelVersion("churn", "1", "r00001", "models:/m-1", "READY", created_at=1.0))]
    mirror = Mirror(reader)
    assert mirror.search("churn", 10).is_loading
    while mirror.window(WindowAsked(limit=1)).is_loading:
        mirror.work()
    assert not mirror.search("churn", 10).is_loading


def test_files_of_a_version_that_is_not_here_are_no_news() -> None:
    mirror, _, _ = with_versions()
    mirror.search("", 10)
    before = mirror.revision
    mirror.take_files([FileGlance("gone", "1", "models:/m-9", ("onnx",))])
    assert mirror.revision == before


def test_texts_stand_in_the_order_of_the_source() -> None:
    reader = ListReader([replace(run, params={"p": "aBc"[number % 3]}) for number, run in enumerate(runs(9))])
    reader.text_order = lambda words: sorted(words, key=str.lower)
    mirror, _clock = loaded(reader)
    assert ids(mirror, sort=("params.p:asc",))[::3] == ["r00006", "r00007", "r00008"], "a, B, c"
    reader.change(replace(runs(1)[0], params={"p": "Bb"}))
    mirror.look_again()
    assert ids(mirror, sort=("params.p:asc",))[2:6] == ["r00007", "r00004", "r00001", "r00000"]
