"""Carrying a clean-up out: only what was shown, only while it is as it was shown, and the rest goes on when one fails."""

import shlex
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.kit.base.errors import NotFound, Refused, TimedOut, Unavailable
from mlops_desk.registry.cleanup import service, sizes
from mlops_desk.registry.cleanup.plan import CleanUpRule, RegistryUsers
from mlops_desk.registry.cleanup.service import CleanedPlace, CleanUp
from mlops_desk.registry.default_registry import Default
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.labels import RunStage
from mlops_desk.registry.records.model import Run
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.trackers_service import RegistryService
from tests.registry_stores import small_store

FAR = RegistrySource(TrackerKind.HTTP, "http://there", "http://there")


@pytest.fixture
def registry() -> FakeRegistry:
    made = FakeRegistry()
    for name, value in (("a", 0.9), ("b", 0.8), ("c", 0.7), ("d", 0.6)):
        made.add_run("sweep", Run(name, name, "FINISHED", 1, metrics={"auc": value}, end_time=2))
    return made


def rule() -> CleanUpRule:
    return CleanUpRule(time.time(), "sweep", 2, "auc")


def cleaning(users: Callable[[str | None], RegistryUsers] = lambda uri: RegistryUsers()) -> CleanUp:
    return CleanUp(users, Event())


def left(registry: FakeRegistry) -> set[str]:
    return {run.run_id for run in registry.runs("sweep")}


def test_what_was_shown_goes_and_comes_back_by_the_undo(registry: FakeRegistry) -> None:
    cleanup, place = cleaning(), CleanedPlace(None, registry, FAR)
    shown = cleanup.preview(rule(), place)
    assert {item.name for item in shown.going} == {"c", "d"}
    assert left(registry) == {"a", "b", "c", "d"}
    done = cleanup.carry_out(shown.token, place)
    assert (done.n_runs, done.n_versions, done.failed) == (2, 0, ())
    assert left(registry) == {"a", "b"}
    assert done.undo is not None
    for run_id in done.undo.split():
        registry.restore_run(run_id)
    assert left(registry) == {"a", "b", "c", "d"}


def test_what_brings_the_runs_back_names_the_registry_and_no_more_of_them_than_it_takes(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_RUNS", 1)
    cleanup, place = cleaning(), CleanedPlace("sqlite:////srv/ml flow.db", registry, FAR)
    done = cleanup.carry_out(cleanup.preview(rule(), place).token, place)
    given = [shlex.split(command) for command in done.undo_commands]
    assert sorted(words[3] for words in given) == ["c", "d"]
    for words in given:
        assert words[:3] == ["mlops-desk", "runs", "restore"]
        assert words[4:] == ["--uri", "sqlite:////srv/ml flow.db"]
    assert (
        cleanup.carry_out(cleanup.preview(CleanUpRule(time.time(), model=""), place).token, place).undo_commands == ()
    )


def test_what_goes_is_planned_anew_from_memory_and_not_by_a_client_that_takes_minutes(registry: FakeRegistry) -> None:
    """MLflow's own lists 10,000 runs in 15 s, and refuses all of them for one model with an odd name."""
    order: list[str] = []

    def read(uri: str | None) -> FakeRegistry:
        order.append("read")
        return registry

    registries = SimpleNamespace(read=read, look_again=lambda uri: order.append("look again"))
    core: Any = SimpleNamespace(
        default=Default(str), registries=registries, changed=lambda uri: order.append("changed")
    )
    trackers: Any = SimpleNamespace(source=lambda uri: FAR)
    nobody: Any = None
    verbs = RegistryService(trackers, nobody, core, nobody, cleaning(), nobody, nobody, nobody)
    shown = verbs.clean_up("sweep", 2, "auc")
    assert verbs.clean(shown.token).n_runs == 2
    assert order == ["read", "look again", "read", "changed"]
    assert left(registry) == {"a", "b"}


def test_what_stays_though_the_rule_would_take_it_is_shown_with_what_keeps_it(registry: FakeRegistry) -> None:
    registry.add_version("churn", "c")
    shown = cleaning(lambda uri: RegistryUsers(runs={"d": "endpoint x"})).preview(
        CleanUpRule(time.time(), "sweep", 1, "auc", model=""), CleanedPlace(None, registry, FAR)
    )
    assert [item.name for item in shown.going] == ["b"]
    assert {item.name: item.kept_by for item in shown.kept} == {
        "c": "version churn/1 was made of it",
        "d": "endpoint x",
        "churn/1": "the newest version, which the model's bare name means",
    }


def test_a_preview_is_used_once(registry: FakeRegistry) -> None:
    cleanup, place = cleaning(), CleanedPlace(None, registry, FAR)
    token = cleanup.preview(rule(), place).token
    cleanup.carry_out(token, place)
    with pytest.raises(Refused, match="No preview"):
        cleanup.carry_out(token, place)


def test_nothing_goes_when_a_run_has_come_meanwhile(registry: FakeRegistry) -> None:
    cleanup, place = cleaning(), CleanedPlace(None, registry, FAR)
    token = cleanup.preview(rule(), place).token
    registry.add_run("sweep", Run("e", "e", "FINISHED", 1, metrics={"auc": 0.95}, end_time=2))
    with pytest.raises(Refused, match="not what was shown"):
        cleanup.carry_out(token, place)
    assert left(registry) == {"a", "b", "c", "d", "e"}


def test_nothing_goes_when_somebody_needs_a_run_since(registry: FakeRegistry) -> None:
    needed: dict[str, str] = {}
    cleanup, place = cleaning(lambda uri: RegistryUsers(runs=needed)), CleanedPlace(None, registry, FAR)
    token = cleanup.preview(rule(), place).token
    needed["c"] = "endpoint x serves its model"
    with pytest.raises(Refused, match="not what was shown"):
        cleanup.carry_out(token, place)
    assert left(registry) == {"a", "b", "c", "d"}


def test_a_preview_of_one_registry_takes_nothing_of_another(registry: FakeRegistry) -> None:
    cleanup = cleaning()
    token = cleanup.preview(rule(), CleanedPlace("sqlite:////one.db", registry, FAR)).token
    with pytest.raises(Refused, match="not what was shown"):
        cleanup.carry_out(token, CleanedPlace("sqlite:////two.db", registry, FAR))


def test_a_preview_that_nobody_made_is_refused(registry: FakeRegistry) -> None:
    with pytest.raises(Refused, match="No preview"):
        cleaning().carry_out("x" * 24, CleanedPlace(None, registry, FAR))


def test_old_previews_are_forgotten_and_new_ones_are_not(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_PREVIEWS", 2)
    cleanup, place = cleaning(), CleanedPlace(None, registry, FAR)
    tokens = [cleanup.preview(CleanUpRule(1000.0 + n, "sweep", 2, "auc"), place).token for n in range(3)]
    with pytest.raises(Refused, match="No preview"):
        cleanup.carry_out(tokens[0], place)
    assert cleanup.carry_out(tokens[2], place).n_runs == 2


def test_one_that_fails_says_why_and_the_others_go(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    cleanup, place = cleaning(), CleanedPlace(None, registry, FAR)
    token = cleanup.preview(rule(), place).token
    delete = registry.delete_run

    def broken(run_id: str) -> object:
        if run_id == "c":
            raise Unavailable("The server is gone.")
        return delete(run_id)

    monkeypatch.setattr(registry, "delete_run", broken)
    done = cleanup.carry_out(token, place)
    assert (done.n_runs, done.undo) == (1, "d")
    assert [(item.name, item.kept_by) for item in done.failed] == [("c", "The server is gone.")]


def many(count: int) -> FakeRegistry:
    made = FakeRegistry()
    for number in range(count):
        made.add_run("sweep", Run(f"r{number:03d}", None, "FAILED", number, end_time=number))
    return made


def test_thousands_go_some_at_a_time_and_each_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    registry, sizes_of_parts = many(120), []
    delete = registry.delete_runs

    def noted(run_ids: Sequence[str]) -> list[RunStage]:
        sizes_of_parts.append(len(run_ids))
        return delete(run_ids)

    monkeypatch.setattr(registry, "delete_runs", noted)
    cleanup, place = cleaning(), CleanedPlace(None, registry, FAR)
    done = cleanup.carry_out(cleanup.preview(CleanUpRule(time.time(), "sweep", failed=True), place).token, place)
    assert (done.n_runs, sizes_of_parts) == (120, [20] * 6)
    assert done.undo is not None
    assert len(done.undo.split()) == 120
    assert left(registry) == set()


def test_what_was_not_begun_at_the_agents_end_stays_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    registry, ending = many(120), Event()
    delete = registry.delete_runs

    def ended(run_ids: Sequence[str]) -> list[RunStage]:
        ending.set()
        return delete(run_ids)

    monkeypatch.setattr(registry, "delete_runs", ended)
    cleanup, place = CleanUp(lambda uri: RegistryUsers(), ending), CleanedPlace(None, registry, FAR)
    done = cleanup.carry_out(cleanup.preview(CleanUpRule(time.time(), "sweep", failed=True), place).token, place)
    assert (done.n_runs, len(done.failed), len(left(registry))) == (20, 100, 100)
    assert {item.kept_by for item in done.failed} == {"The agent was ended before its turn came."}
    assert done.undo is not None
    assert len(done.undo.split()) == 20


def test_what_nobody_knows_to_be_gone_is_told_as_failed_and_brought_back_with_the_rest(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = registry.delete_runs

    def late(run_ids: Sequence[str]) -> list[RunStage]:
        delete(run_ids[:1])
        raise TimedOut("The registry gave no answer.")

    monkeypatch.setattr(registry, "delete_runs", late)
    cleanup, place = cleaning(), CleanedPlace(None, registry, FAR)
    done = cleanup.carry_out(cleanup.preview(rule(), place).token, place)
    assert (done.n_runs, {item.name for item in done.failed}) == (0, {"c", "d"})
    assert sorted((done.undo or "").split()) == ["c", "d"]


def test_all_runs_of_an_experiment_are_seen_however_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_PAGE", 7)
    registry = many(30)
    place = CleanedPlace(None, registry, FAR)
    shown = cleaning().preview(CleanUpRule(time.time(), "sweep", failed=True), place)
    assert [item.name for item in shown.going] == [f"r{number:03d}" for number in range(29, -1, -1)]


def test_versions_go_without_an_undo(registry: FakeRegistry) -> None:
    for _ in range(3):
        registry.add_version("iris", "a")
    registry.set_alias("iris", "champion", "1")
    cleanup, place = cleaning(), CleanedPlace(None, registry, FAR)
    shown = cleanup.preview(CleanUpRule(time.time(), model="iris"), place)
    assert [(item.name, item.size_bytes) for item in shown.going] == [("iris/2", 0)]
    done = cleanup.carry_out(shown.token, place)
    assert (done.n_runs, done.n_versions, done.undo) == (0, 1, None)
    assert [version.version for version in registry.versions("iris")] == ["3", "1"]


def test_a_model_or_experiment_that_is_not_there_is_told(registry: FakeRegistry) -> None:
    with pytest.raises(NotFound):
        cleaning().preview(CleanUpRule(time.time(), model="nothing"), CleanedPlace(None, registry, FAR))
    with pytest.raises(NotFound):
        cleaning().preview(CleanUpRule(time.time(), "nothing", failed=True), CleanedPlace(None, registry, FAR))


def test_sizes_of_what_lies_here_are_told_and_others_counted(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "run_worker", lambda *given, **more: {"c": 100, "d": None})
    here = RegistrySource(TrackerKind.SQLITE, "sqlite:////x.db", "x", Path("/x.db"))
    shown = cleaning().preview(rule(), CleanedPlace(None, registry, here))
    assert (shown.size_bytes, shown.n_unknown_sizes) == (100, 1)
    far = cleaning().preview(rule(), CleanedPlace(None, registry, FAR))
    assert (far.size_bytes, far.n_unknown_sizes) == (None, 2)


def test_a_disk_that_hangs_costs_the_sizes_and_not_the_preview(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*given: object, **more: object) -> object:
        raise Unavailable("gave no answer")

    monkeypatch.setattr(service, "run_worker", hang)
    here = RegistrySource(TrackerKind.OWN, "sqlite:////x.db", "x", Path("/x.db"))
    shown = cleaning().preview(rule(), CleanedPlace(None, registry, here))
    assert (len(shown.going), shown.size_bytes) == (2, None)


@pytest.mark.slow
def test_the_worker_measures_runs_where_the_database_says_they_lie(tmp_path: Path) -> None:
    store = small_store(tmp_path / "mlflow.db", n_runs=20)
    files = tmp_path / "files"
    (files / "deep").mkdir(parents=True)
    (files / "a").write_bytes(b"x" * 1000)
    (files / "deep" / "b").write_bytes(b"x" * 234)
    (files / "link").symlink_to("/")
    with closing(sqlite3.connect(store)) as connection, connection:
        first, second, third = [row[0] for row in connection.execute("SELECT run_uuid FROM runs LIMIT 3")]
        connection.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (str(files), first))
        connection.execute("UPDATE runs SET artifact_uri = 's3://there' WHERE run_uuid = ?", (second,))
        connection.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (str(tmp_path / "none"), third))
    asked = {"path": str(store), "is_ours": False, "run_ids": [first, second, third, "unknown"]}
    assert sizes.work(asked) == {first: 1234, second: None, third: 0}
