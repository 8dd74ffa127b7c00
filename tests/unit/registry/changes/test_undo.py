"""What is changed can be put back exactly, and what can't is asked for twice."""

import os
import shlex

import pytest

from mlops_desk.desk.cli.parser import arguments_of, parse
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.machine.records.event import RegistryChanged
from mlops_desk.registry.changes import undo
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.records.model import Run
from mlops_desk.registry.runs import RunsService
from mlops_desk.registry.service import RegistryCore

A, B, C = "a" * 32, "b" * 32, "c" * 32


class Desk:
    def __init__(self, folder, monkeypatch):
        set_caller(Caller(os.getuid(), os.getgid(), os.getpid()))
        data = DataFolder(folder / "data")
        data.make()
        bus = Bus()
        self.core = RegistryCore(data, bus, Loop("test"), lambda: None)
        self.registry = FakeRegistry()
        monkeypatch.setattr(self.core.registries, "open", lambda _uri: self.registry)
        monkeypatch.setattr(self.core.registries, "read", lambda _uri: self.registry)
        self.changes = []
        bus.subscribe(RegistryChanged, self.changes.append)
        self.models, self.runs = ModelsService(self.core), RunsService(self.core)
        for run_id, status in ((A, "FINISHED"), (B, "FINISHED"), (C, "RUNNING")):
            self.registry.add_run(
                "digits", Run(run_id, run_id[0], status, 1000, tags={"team": "x", "mlflow.user": "anna"})
            )
        self.registry.add_version("churn", A)
        self.registry.add_version("churn", B)

    def do(self, undone):
        """Do an undo both ways: as data, after its command was read as the same."""
        given = parse(shlex.split(undone.command)[1:])
        asked = {key: value for key, value in arguments_of(given.verb, given).items() if value is not None}
        wanted = {key: list(value) if isinstance(value, tuple) else value for key, value in undone.arguments.items()}
        assert f"{given.verb.service}.{given.verb.name}" == undone.verb
        assert asked == wanted
        service, _, name = undone.verb.partition(".")
        return getattr(getattr(self, service), name)(**wanted)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    made = Desk(tmp_path, monkeypatch)
    yield made
    made.core.stop()


VALUES = ["", "plain", "it's; rm -rf /", "--uri", "-1", "zwei\nZeilen", "\u202eevil", "é" * 100]


@pytest.mark.parametrize("value", VALUES)
def test_a_tag_that_was_new_changed_or_taken_away_is_put_back(desk, value):
    new = desk.models.tag("churn", "note", value)
    assert new.tags == {"note": value}
    assert desk.changes
    assert desk.do(new.undo).tags == {}
    desk.models.tag("churn", "note", value)
    changed = desk.models.tag("churn", "note", "other")
    assert desk.do(changed.undo).tags == {"note": value}
    gone = desk.models.tag("churn", "note")
    assert gone.tags == {}
    assert desk.do(gone.undo).tags == {"note": value}


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_tag_of_a_version_is_its_own(desk, version):
    made = desk.models.tag("churn", "stage", "x", version)
    assert desk.models.labels("churn").tags == {}
    assert desk.models.labels("churn", version).tags == {"stage": "x"}
    assert desk.do(made.undo).tags == {}


@pytest.mark.parametrize("text", [value for value in VALUES if value])
def test_a_description_is_put_back(desk, text):
    for described in (
        desk.models.describe("churn", text),
        desk.models.describe("churn", text, "2"),
        desk.runs.describe(A, text),
    ):
        assert described.description == text
        assert desk.do(described.undo).description is None
    desk.models.describe("churn", text)
    assert desk.do(desk.models.describe("churn", "other").undo).description == text


def test_tags_of_runs_are_put_back_and_those_of_mlflow_left_alone(desk):
    changed = desk.runs.tag(A, "team", "y")
    assert changed.tags == {"team": "y"}, "mlflow's own are not shown"
    assert desk.do(changed.undo).tags == {"team": "x"}
    with pytest.raises(Invalid, match="is MLflow's own"):
        desk.runs.tag(A, "mlflow.user", "bo")
    assert desk.registry.run(A).tags["mlflow.user"] == "anna"


def test_what_changed_since_it_was_seen_is_asked_anew(desk):
    made = desk.models.tag("churn", "note", "1")
    desk.models.tag("churn", "note", "2")
    with pytest.raises(Refused, match="The tag note reads '2' by now, not as when you looked"):
        desk.do(made.undo)
    with pytest.raises(Refused):
        desk.models.tag("churn", "note", "3", expected="")
    with pytest.raises(Refused, match="is empty by now"):
        desk.models.describe("churn", "x", expected="y")
    assert desk.models.labels("churn").tags == {"note": "2"}


def test_what_is_as_it_should_be_is_not_written_and_has_no_undo(desk):
    desk.models.tag("churn", "note", "1")
    before = len(desk.changes)
    assert desk.models.tag("churn", "note", "1").undo is None
    assert desk.models.describe("churn", "").undo is None
    assert desk.runs.tag(A, "nothing").undo is None
    assert len(desk.changes) == before


def test_runs_are_deleted_and_brought_back_together(desk):
    gone = desk.runs.delete([A, B, A])
    assert [(one.run_id, one.is_deleted, one.changed) for one in gone] == [(A, True, True), (B, True, True)]
    assert [run.run_id for run in desk.registry.runs("digits")] == [C]
    back = desk.do(gone[0].undo)
    assert [(one.run_id, one.is_deleted) for one in back] == [(A, False), (B, False)]
    assert [one.is_deleted for one in desk.do(back[1].undo)] == [True, True]


def test_a_run_under_way_and_one_that_is_not_there_say_so_and_the_others_go(desk):
    found = desk.runs.delete([A, C, "nobody"])
    assert [(one.is_deleted, one.changed, one.problem is None) for one in found] == [
        (True, True, True), (None, False, False), (None, False, False),
    ]  # fmt: skip
    assert found[0].undo.arguments["run_ids"] == (A,)
    assert found[1].undo is None


def test_a_run_that_was_deleted_before_stays_so_with_the_undo(desk):
    desk.runs.delete([A])
    found = desk.runs.delete([A, B])
    assert [one.changed for one in found] == [False, True]
    desk.do(found[1].undo)
    assert [one.is_deleted for one in desk.runs.stages([A, B])] == [True, False]


def test_one_run_that_fails_alone_fails(desk):
    with pytest.raises(Refused):
        desk.runs.delete([C])
    with pytest.raises(NotFound):
        desk.runs.restore(["nobody"])


@pytest.mark.parametrize("named", [[], [""], [str(number) for number in range(1001)]])
def test_too_few_or_many_runs_are_refused(desk, named):
    with pytest.raises(Invalid):
        desk.runs.delete(named)


def test_a_version_is_deleted_for_good_once_it_was_named_twice(desk):
    with pytest.raises(Refused, match="deletes a version for good, and 'churn' is not the name"):
        desk.models.delete("churn", "churn", "1")
    assert desk.models.delete("churn", "churn/1", "1").latest_version == "2"
    assert [one.version for one in desk.registry.versions("churn")] == ["2"]
    with pytest.raises(Refused, match="a model and all its versions"):
        desk.models.delete("churn", "churn/2")
    desk.models.delete("churn", "churn")
    assert desk.registry.models() == []


def test_what_an_alias_points_at_is_not_deleted(desk):
    desk.registry.set_alias("churn", "champion", "1")
    with pytest.raises(Refused, match=r"churn version 1 still has an alias: champion\. Nothing was deleted") as refused:
        desk.models.delete("churn", "churn/1", "1")
    assert refused.value.command == "mlops-desk models remove-alias churn --alias champion"
    with pytest.raises(Refused):
        desk.models.delete("churn", "churn")
    desk.models.delete("churn", "churn/2", "2")


def test_a_version_is_registered_from_a_run(desk):
    desk.registry.add_artifact(A, "model/MLmodel", 10)
    made = desk.models.register("fraud", A, "model")
    assert (made.name, made.version, made.run_id) == ("fraud", "1", A)
    with pytest.raises(NotFound):
        desk.models.register("fraud", A, "nothing")
    for name in ("", "a/b", "a:b"):
        with pytest.raises(Invalid):
            desk.models.register(name, A)
    with pytest.raises(Invalid):
        desk.models.register("fraud", A, "../model")


@pytest.mark.parametrize(("key", "value"), [("", "x"), (" ", "x"), ("k" * 251, "x"), ("k", "x" * 5001)])
def test_what_mlflow_would_refuse_is_refused(desk, key, value):
    with pytest.raises(Invalid):
        desk.models.tag("churn", key, value)
    with pytest.raises(Invalid):
        desk.models.describe("churn", "x" * 5001)


class Cut:
    """A write that breaks off: ``error`` (None: none) is raised, after it was done or instead, and ``blind`` by the next look."""

    def __init__(self, registry, name, error, *, done, blind=None):
        self.calls, self._do, self._error, self._done, self._blind = 0, getattr(registry, name), error, done, blind
        self._registry = registry
        setattr(registry, name, self)

    def __call__(self, *args):
        self.calls += 1
        if self._done:
            self._do(*args)
        if self._blind is not None:

            def blind(*_):
                raise self._blind

            self._registry.model = self._registry.run = self._registry.run_stage = blind
        if self._error is not None:
            raise self._error


def test_a_write_that_broke_off_and_was_made_is_made(desk):
    cut = Cut(desk.registry, "tag_model", Unavailable("broke"), done=True)
    assert desk.models.tag("churn", "note", "1").tags == {"note": "1"}
    assert cut.calls == 1
    Cut(desk.registry, "delete_run", TimedOut("late"), done=True)
    assert desk.runs.delete([A])[0].is_deleted


def test_a_write_that_broke_off_before_it_was_made_failed(desk):
    Cut(desk.registry, "tag_run", Unavailable("broke"), done=False)
    with pytest.raises(Unavailable, match="broke"):
        desk.runs.tag(A, "team", "y")


def test_a_write_without_an_answer_may_still_be_made(desk):
    Cut(desk.registry, "tag_run", TimedOut("No answer."), done=False)
    with pytest.raises(
        TimedOut, match=r"it is not so that the tag team of run a+ was written; the server may still do it"
    ):
        desk.runs.tag(A, "team", "y")


@pytest.mark.parametrize("blind", [Unavailable("gone"), TimedOut("late"), NotFound("elsewhere")])
def test_a_write_that_was_made_is_told_as_made_though_nothing_answers_after_it(desk, blind):
    Cut(desk.registry, "tag_run", None, done=True, blind=blind)
    with pytest.raises(
        Unavailable, match=rf"It is done: the tag team of run a+ was written\. .*: {blind.message}"
    ) as it:
        desk.runs.tag(A, "team", "y")
    assert it.value.code == "unavailable"


def test_runs_that_were_deleted_are_told_as_deleted_though_nothing_answers_after_it(desk):
    Cut(desk.registry, "delete_run", None, done=True, blind=TimedOut("late"))
    with pytest.raises(Unavailable, match=r"It is done: run a+ was deleted"):
        desk.runs.delete([A])


def test_a_write_after_which_nothing_answers_is_unknown(desk):
    Cut(desk.registry, "tag_run", Unavailable("broke"), done=True, blind=Unavailable("gone"))
    with pytest.raises(TimedOut, match=r"Whether the tag team of run a+ was written is not known: broke .* gone"):
        desk.runs.tag(A, "team", "y")


def test_registering_that_broke_off_is_found_again(desk):
    desk.registry.add_artifact(A, "model/MLmodel", 10)
    Cut(desk.registry, "register", TimedOut("No answer."), done=True)
    assert desk.models.register("churn", A, "model").version == "3"
    Cut(desk.registry, "register", TimedOut("No answer."), done=False)
    with pytest.raises(TimedOut):
        desk.models.register("churn", B, "model")


def test_an_undo_names_the_registry_without_its_password():
    made = undo("models.tag", {"model": "m", "key": "k", "value": None}, "http://anna:secret@host:5000")
    assert made.command == "mlops-desk models tag m k --uri http://host:5000"
    assert made.arguments["uri"] == "http://host:5000"
    assert undo("models.tag", {"model": "m", "key": "k"}, "team").command.endswith("--uri team")
