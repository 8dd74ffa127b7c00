"""Retraining from the firing to a person's decision, through failures and restarts."""

import inspect
import math
import os
from dataclasses import replace

import pytest

from mlops_desk.automation.records.pipelines.comparison import ModelEvaluation, PairedScore, Scored
from mlops_desk.automation.records.pipelines.evidence import DataManifest
from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.records.pipelines.synthetic import RowPrivacy, SyntheticData, SyntheticReport
from mlops_desk.automation.records.retraining_rule import RetrainState, Rule
from mlops_desk.automation.rules.actions.actions import RuleDeeds
from mlops_desk.automation.rules.actions.cycle_guard import RuleChain
from mlops_desk.automation.rules.actions.notifications import RuleTelling
from mlops_desk.automation.rules.actions.worker import FiringWorker
from mlops_desk.automation.rules.channels.command import may_command
from mlops_desk.automation.rules.drift_trigger import drift_of
from mlops_desk.automation.rules.live.rule_loop import LifeParts, RuleLife
from mlops_desk.automation.rules.pipeline.origins import ORIGIN
from mlops_desk.automation.rules.pipeline.ports import PipelineParts
from mlops_desk.automation.rules.pipeline.service import PipelinesService
from mlops_desk.automation.rules.pipeline.validation import NotComparable
from mlops_desk.automation.rules.service import RulesService
from mlops_desk.automation.rules.storage.rule_repository import RuleShelf
from mlops_desk.automation.verbs.rules import Rules
from mlops_desk.drift.records.report import DatasetDrift, DriftReport
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.governance.records.policy import ApprovalPolicy, PolicyStanding
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import Caller, current_caller, set_caller
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.rule_engine.plan import UNDERWAY_FACT
from mlops_desk.kit.storage.state import State
from mlops_desk.kit.verbs.access import Permission, SingleUser
from mlops_desk.kit.verbs.declaration import verbs_of
from mlops_desk.machine.records.event import (
    AutomationChanged,
    JobChanged,
    Notice,
    RetrainingChanged,
    RuleChanged,
    RuleRemoved,
)
from mlops_desk.registry.records.model import ModelVersion
from tests.permission import Shared, ask_as
from tests.rule_house import action_house

ALARM = DriftReport(
    Verdict.DRIFT, (), DatasetDrift(1, 1, 1, 1, 1.0), endpoint="digits", model="digits/1", alarm=True, id="report"
)


class NoPast:
    """A history that has nothing; documents have tests of their own."""

    def things(self, device, metric):
        return []

    def name(self, device, given):
        return given

    def why_untold(self, device, metric):
        return None

    def curve(self, device, thing, metric, since, until, points):
        return None


class Approvers:
    """A policy of so many people (None: there is none), by the uids of whoever says yes, on the same comparison."""

    def __init__(self):
        self.people: int | None = None
        self.said: list[tuple[int, object]] = []

    def standing(self, run):
        if self.people is None:
            return None
        users = tuple(f"uid {uid}" for uid, seen in self.said if seen == run.comparison)
        lapsed = tuple(f"uid {uid}" for uid, seen in self.said if seen != run.comparison)
        lacking = () if len(users) >= self.people else (f"{len(users)} of {self.people} people have approved it",)
        policy = ApprovalPolicy(run.model, run.alias, self.people)
        return PolicyStanding(run.model, run.alias, run.challenger_version, policy, not lacking, users, lapsed, lacking)

    def agree(self, run, why=""):
        uid = current_caller().uid
        if (uid, run.comparison) in self.said:
            raise Refused("You have agreed already.")
        self.said += [] if self.people is None else [(uid, run.comparison)]
        return self.standing(run)

    def take_back(self, run):
        self.said.clear()


class Rows:
    """Rows that a job makes, in memory: ``report`` is what is found of them, ``fails`` what keeps them from it."""

    def __init__(self, world):
        self.world = world
        self.report = report_on_rows()
        self.fails = None
        self.whole = True
        self.told = []
        self.taken = 0

    def begin(self, run, job, origin):
        if self.fails:
            raise self.fails
        made = self.world.job(f"job-{len(self.world.jobs) + 1}", JobState.QUEUED, None, origin)
        self.world.jobs[made.id] = made
        return made

    def take(self, run, job, maker):
        self.taken += 1
        if self.fails:
            raise self.fails
        return SyntheticData(
            run.augment.template, run.augment.use, "/data/train.csv", "/made/train.csv", "m" * 64, "/new/train.csv",
            "r" * 64, "s" * 64, self.report, "run-of-rows",
        )  # fmt: skip

    def is_whole(self, data):
        return self.whole

    def tell(self, run_id, data):
        self.told.append((run_id, data.sha256))


def not_comparable(_run, _job):
    raise NotComparable("Run old has logged no data set. So the new data are held against nothing.")


def report_on_rows(copies=0.0, by_chance=0.0, quality=0.9, protection=0.95):
    privacy = RowPrivacy(copies, by_chance, 1.0, 0.1, 0.1, 0.5, protection, 100)
    return SyntheticReport(800, 200, 500, (), (), quality, quality, quality, privacy)


class World:
    """A registry and a queue of jobs in memory; ``down`` makes the registry unreachable."""

    def __init__(self, folder):
        self.state = State(folder / "state.db")
        self.bus, self.loop = Bus(), Loop("test")
        self.metrics = {"run-1": {"accuracy": 0.9}}
        self.versions = [ModelVersion("digits", "1", "run-1", None, "READY")]
        self.aliases = {"champion": "1"}
        self.jobs = {"job-1": self.job("job-1", JobState.SUCCEEDED, "run-1", None)}
        self.down = False
        self.manifest = None  # each run has data of its own
        self.below = {}  # runs below a job's
        self.cancelled = []
        self.over = []
        self.chains = []
        self.rows = Rows(self)
        self.policy = Shared()
        self.submit_fails: Exception | None = None
        self.submitted: list[tuple[str, dict[str, str], int]] = []
        self.events: list[object] = []
        self.bus.subscribe(object, self.events.append)
        self.approving = Approvers()
        self.service = self.make()

    def make(self):
        """Return what a new agent has."""
        self.shelf = RuleShelf(self.state.rule_tables, {})
        parts = PipelineParts(
            champion=self.champion,
            version=lambda model, number: next(
                one for one in self.versions if (one.name, one.version) == (model, number)
            ),
            job=self.jobs.__getitem__,
            resubmit=self.resubmit,
            job_of_origin=lambda origin: next((job for job in self.jobs.values() if job.origin == origin), None),
            cancel_job=self.cancelled.append,
            versions_of_training=self.versions_of_training,
            set_alias=self.set_alias,
            manifest=lambda run, job: DataManifest(self.manifest or run.id, 3, 1000, ("/data",)),
            report=not_comparable,
            evaluate=self.evaluate,
            rollouts=self,
            approving=self.approving,
            rows=self.rows,
        )
        self.pipelines = PipelinesService(
            parts, self.state.pipelines, self.state.retrainings, self.bus, self.loop, self.is_wanted
        )
        service = RulesService(
            champion=self.champion,
            job_of_run=lambda run_id: next((job for job in self.jobs.values() if job.mlflow_run_id == run_id), None),
            pipelines=self.pipelines,
            shelf=self.shelf,
            retrainings=self.state.retrainings,
            bus=self.bus,
            loop=self.loop,
            past=NoPast(),
            may_command=may_command,
            model=self.model,
        )
        self.life = RuleLife(self.shelf, LifeParts(lambda _, name: name, self.act, service.announce))
        house = action_house(allow=self.allow, notice=self.bus.publish)
        doing = RuleDeeds(
            house, RuleTelling(house, lambda _: True), service.retrain, RuleChain(self.jobs.__getitem__, lambda _: None)
        )
        shown = lambda rule_id: self.shelf.kept(self.shelf.of_id(rule_id))  # noqa: E731 - one of six arguments
        self.worker = FiringWorker(
            self.shelf, doing, self.loop, shown, self.life.holds, self.bus.publish, self.life.came_to_nothing
        )
        service.living, service.acting = self.life, self.worker
        return service

    def is_wanted(self, run):
        rule = self.shelf.get(run.rule)
        return rule is not None and rule.created_at <= run.created_at

    def moves(self, run):
        return []

    def shadow(self, run, name):
        raise AssertionError("no endpoint follows the alias")

    canary = promote = back = shadow

    def sweep(self, is_over):
        assert is_over("a run that never was")

    def evaluate(self, run, champion, challenger):
        """Score both by what they are made up to be worth on the newest rows."""
        self.registry()
        values = [self.metrics[one.run_id].get("accuracy") for one in (champion, challenger)]
        scored = [Scored(value) for value in values]
        gap = None if None in values else values[1] - values[0]
        score = PairedScore("newest", "the new rows", "accuracy", 100, 100, *scored, Scored(gap), "bootstrap")
        return ModelEvaluation((score,))

    def act(self, firings):
        for firing in firings:
            self.worker.do(firing)

    def report(self, report):
        """Let the rules hear of a report, and look."""
        for one in self.shelf.all():
            rule = self.shelf.get(one.written.name)
            self.life.board.put(UNDERWAY_FACT, one.written.id, float(self.service.is_underway(rule)))
        moment = drift_of(report)
        if moment is not None:
            self.life.came(moment, f"drift of {report.endpoint}, report {report.id}")
        self.life.look()

    def allow(self, service, name, arguments):
        Permission({"rules": self.service}, self.policy).check_named(service, name, arguments, current_caller())

    def model(self, name):
        self.registry()
        if name not in {"digits", "letters"}:
            raise NotFound(f"There is no registered model {name}.", "Its models are digits.")

    @staticmethod
    def job(job_id, state, run_id, origin):
        return Job(job_id, "train", state, JobSpec("train", "image"), 0.0, 0, "me", mlflow_run_id=run_id, origin=origin)

    def registry(self):
        if self.down:
            raise Unavailable("The registry does not answer.")

    def champion(self, model, alias):
        self.registry()
        wanted = self.aliases.get(alias)
        found = [version for version in self.versions if (version.name, version.version) == (model, wanted)]
        if not found:
            raise NotFound(f"{model} has no alias {alias}.")
        return found[0]

    def metric(self, run_id, name):
        self.registry()
        return self.metrics.get(run_id, {}).get(name)

    def versions_of_training(self, run_id, model):
        self.registry()
        mine = {run_id, *self.below.get(run_id, ())}
        return [version for version in self.versions if version.run_id in mine and version.name == model]

    def set_alias(self, model, alias, version):
        self.registry()
        self.aliases[alias] = version

    def resubmit(self, job_id, data, origin, over, chain=0):
        self.over.append(dict(over))
        self.chains.append(chain)
        if self.submit_fails:
            raise self.submit_fails
        job = self.job(f"job-{len(self.jobs) + 1}", JobState.QUEUED, None, origin)
        self.jobs[job.id] = job
        self.submitted.append((job_id, dict(data), current_caller().uid))
        return job

    def end(self, job_id, state=JobState.SUCCEEDED, accuracy=None, model="digits", reason=None):
        """End a job; with a run of its own that logged ``accuracy`` and registered a version."""
        run_id = f"run-of-{job_id}"
        if state is JobState.SUCCEEDED:
            self.metrics[run_id] = {} if accuracy is None else {"accuracy": accuracy}
            number = str(1 + sum(version.name == model for version in self.versions))
            self.versions.append(ModelVersion(model, number, run_id, None, "READY"))
        self.jobs[job_id] = replace(self.jobs[job_id], state=state, mlflow_run_id=run_id, reason=reason)

    def notices(self):
        return [event for event in self.events if isinstance(event, Notice)]

    def settle(self):
        """Let all retrainings go on until each waits or is over."""
        self.service.reconcile()
        wait_for(self, lambda: not self.pipelines._driver._turns._again)

    def trained(self, accuracy):
        """A rule, fired, and its job ended."""
        self.service.create("again", "digits", "accuracy", endpoint="digits")
        fired = self.service.fire("again")
        self.end(fired.job_id, accuracy=accuracy)
        self.settle()
        return self.service.retrainings()[0]

    def as_user(self, uid):
        set_caller(Caller(uid, uid, 1))


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.as_user(os.getuid())
    assert world.loop.stop() == []
    world.state.close()


def wait_for(world, condition):
    for _ in range(400):
        if condition():
            return
        world.loop.ending.wait(0.02)
    raise AssertionError("It did not happen.")


# -- rules -----------------------------------------------------------------------------------------


def test_the_service_has_the_verbs(world):
    for verb in verbs_of("rules", Rules):
        found = inspect.signature(getattr(world.service, verb.name)).parameters.values()
        assert [(p.name, p.default) for p in found] == [(p.name, p.default) for p in verb.parameters]


@pytest.mark.slow
def test_retrainings_are_read_page_by_page(world):
    world.service.create("again", "digits", "accuracy", cooldown_seconds=0.0)
    fired = []
    for _ in range(3):
        fired.append(world.service.fire("again"))
        world.end(fired[-1].job_id, state=JobState.FAILED)
        world.settle()
    page = world.service.retrainings_page(limit=2)
    rest = world.service.retrainings_page(limit=2, cursor=page.next)
    assert [one.id for one in (*page.items, *rest.items)] == [one.id for one in reversed(fired)]
    assert rest.next is None
    assert world.service.retrainings_page(state="training").items == ()
    assert len(world.service.retrainings_page(rule="again", state="failed").items) == 3
    with pytest.raises(Invalid, match="no state"):
        world.service.retrainings_page(state="lost")


def test_a_document_is_held_to_what_a_rule_by_its_options_is(world):
    document = """\
apiVersion: mlops-desk/v1
kind: Rule
name: again
when: {manual: true}
then:
  - retrain: digits
    metric: METRIC
    test: /nonexistent/rows.csv
"""
    with pytest.raises(Invalid, match="can't be scored by 'val_loss'"):
        world.service.create("again", document=document.replace("METRIC", "val_loss"))
    with pytest.raises(Invalid, match="There is no file /nonexistent/rows"):
        world.service.create("again", document=document.replace("METRIC", "accuracy"))
    assert world.service.list() == []


def test_a_template_that_is_not_there_is_told_when_the_rule_is_made_and_one_that_nobody_can_look_for_is_not(world):
    def template(name):
        if name == "away":
            raise Unavailable("The templates can't be read.")
        if name != "there":
            raise NotFound(f"There is no template called {name!r}.", "There are: there.")

    world.service._template = template
    head = "apiVersion: mlops-desk/v1\nkind: Rule\nname: {}\nwhen: {{manual: true}}\n"
    then = "then: [{submit: gone}, {submit: there}, {submit: gone}, {submit: away}]\n"
    made = world.service.create("x", document=head.format("x") + then)
    assert made.missing == ("There is no template called 'gone'. There are: there.",)
    more = "- {retrain: digits, metric: accuracy, augment: {template: lost, rows: 10}}\n"
    made = world.service.create("y", document=head.format("y") + "then:\n" + more)
    assert made.missing == ("There is no template called 'lost'. There are: there.",)


def test_a_rule_that_does_what_another_does_is_taken_and_says_which_and_an_edit_says_it_too(world):
    head = "apiVersion: mlops-desk/v1\nkind: Rule\nname: {}\nwhen: {{state: job, of: nightly, is: [failed]}}\n"
    then = "then: [{notify: [WAY]}]\n"
    assert world.service.create("x", document=head.format("x") + then.replace("WAY", "desktop")).alike == ()
    assert world.service.create("y", document=head.format("y") + then.replace("WAY", "desktop")).alike == ("x",)
    assert world.service.edit("y", head.format("y") + then.replace("WAY", "webhook")).alike == ()
    world.service.create("again", "digits", "accuracy", endpoint="front")
    assert world.service.create("twice", "digits", "accuracy", endpoint="front").alike == ("again",)


def test_a_rule_is_created_listed_announced_and_removed(world):
    verbs = world.service
    rule = verbs.create("again", "digits", "log_loss", data={"/data": "/new"}, lower_is_better=True)
    assert verbs.list() == [rule]
    assert not rule.higher_is_better
    assert rule.created_by == os.getuid()
    with pytest.raises(Refused, match="already"):
        verbs.create("again", "digits", "accuracy")
    assert verbs.remove("again").document == rule.document
    assert verbs.list() == []
    assert world.events == [AutomationChanged(rule), RuleChanged(rule.retraining), RuleRemoved("again")]
    with pytest.raises(NotFound):
        verbs.remove("again")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": "x" * 101},
        {"model": ""},
        {"metric": ""},
        {"alias": ""},
        {"cooldown_seconds": -1.0},
        {"cooldown_seconds": math.nan},
        {"data": {"data": "/new"}},
        {"data": {"/data": "new"}},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(world, wrong):
    with pytest.raises(Invalid):
        world.service.create(**{"name": "again", "model": "digits", "metric": "accuracy"} | wrong)


def test_only_its_owner_removes_a_rule(world):
    world.as_user(4321)
    world.service.create("theirs", "digits", "accuracy")
    with pytest.raises(Refused, match="Rule theirs belongs to uid 4321"):
        ask_as(4322, world.service, "rules.remove", name="theirs")
    for uid in (4321, 0, os.getuid()):
        ask_as(uid, world.service, "rules.remove", name="theirs")
    world.service.remove("theirs")


def test_only_its_owner_fires_a_rule_and_decides_what_it_proposes(world):
    world.as_user(4321)
    world.service.create("theirs", "digits", "accuracy")
    world.as_user(0)  # an administrator fires it: it stays theirs
    retraining = world.service.fire("theirs")
    world.as_user(4322)
    world.service.create("mine", "digits", "accuracy")
    assert retraining.created_by == 4321
    asked = [
        ("rules.fire", {"name": "theirs"}, "Rule theirs"),
        ("rules.approve", {"retraining_id": retraining.id}, f"Retraining {retraining.id}"),
        ("rules.reject", {"retraining_id": retraining.id[:8]}, f"Retraining {retraining.id[:8]}"),
    ]
    for verb, arguments, thing in asked:
        with pytest.raises(Refused, match=f"{thing} belongs to uid 4321"):
            ask_as(4322, world.service, verb, **arguments)
        for uid in (4321, 0, os.getuid()):
            ask_as(uid, world.service, verb, **arguments)
    ask_as(4322, world.service, "rules.fire", name="mine")


# -- firing ----------------------------------------------------------------------------------------


def test_a_rule_for_a_model_that_is_not_there_is_refused_with_a_hint(world):
    with pytest.raises(NotFound, match="There is no registered model digitz") as caught:
        world.service.create("typo", "digitz", "accuracy")
    assert caught.value.hint == "Its models are digits."
    assert world.service.list() == []
    world.service.create("later", "digits", "accuracy", alias="not-yet")


def test_a_rule_is_taken_while_the_registry_does_not_answer_and_that_is_told(world):
    world.down = True
    world.service.create("blind", "digitz", "accuracy")
    notice = next(event for event in world.events if isinstance(event, Notice))
    assert "could not be seen" in notice.text


def test_firing_runs_the_champions_job_again_with_the_new_data(world):
    world.service.create("again", "digits", "accuracy", data={"/data": "/old", "/more": "/same"})
    fired = world.service.fire("again", data={"/data": "/new"})
    assert fired.state == "training"
    assert fired.champion_version == "1"
    assert fired.champion_value is None, "nothing was scored yet"
    assert world.submitted == [("job-1", {"/data": "/new", "/more": "/same"}, os.getuid())]
    assert world.jobs[fired.job_id].origin == ORIGIN + fired.id
    assert world.chains == [1], "one rule stands behind it"
    assert world.service.list()[0].last_fired_at == pytest.approx(fired.created_at, abs=60.0)


def test_one_retraining_at_a_time(world):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    with pytest.raises(Refused, match="not finished"):
        world.service.fire("again")
    world.end(fired.job_id, accuracy=0.95)
    world.settle()
    with pytest.raises(Refused, match="waits for approval"):
        world.service.fire("again")
    world.service.reject(fired.id)
    assert world.service.fire("again").state == "training"


def test_without_a_job_to_run_again_nothing_is_trained(world):
    world.service.create("again", "digits", "accuracy")
    world.jobs.clear()
    with pytest.raises(Refused, match="not trained by a job"):
        world.service.fire("again")
    world.aliases.clear()
    with pytest.raises(NotFound):
        world.service.fire("again")
    assert world.submitted == []
    assert world.service.retrainings() == []


@pytest.mark.parametrize(
    ("metric", "lower", "said"),
    [("loss", True, "can't be scored by 'loss'"), ("accuracy", True, "better the higher"), ("mae", False, "lower")],
)
def test_a_metric_that_nobody_computes_or_that_is_better_the_other_way_is_refused(world, metric, lower, said):
    with pytest.raises(Invalid, match=said):
        world.service.create("again", "digits", metric, lower_is_better=lower)


def test_how_two_models_are_compared_is_kept_in_the_document_and_read_from_it(world):
    made = world.service.create(
        "again", "digits", "accuracy", label="y", positive="1", delta=0.01, slices="site, age", slice_delta=0.02,
        size_times=1.5, latency_times=2.0,
    )  # fmt: skip
    wanted = EvaluationPlan(None, None, "y", "1", 0.01, ("site", "age"), 0.02, 1.5, 2.0)
    assert made.plan == wanted
    assert "sliceDelta: 0.02" in made.document
    assert world.make().show("again").plan == wanted
    assert world.pipelines.show(world.service.fire("again").id).plan == wanted


def test_a_job_that_can_not_be_submitted_leaves_a_failed_retraining(world):
    world.service.create("again", "digits", "accuracy")
    world.submit_fails = Invalid("There is no mount target /data.")
    with pytest.raises(Refused, match="/data"):
        world.service.fire("again")
    assert world.service.retrainings()[0].state == "failed"
    assert "/data" in world.service.retrainings()[0].text


def test_a_submit_without_an_answer_is_looked_for_and_fails_where_there_is_none(world):
    world.service.create("again", "digits", "accuracy")
    world.submit_fails = TimedOut("No answer.")
    with pytest.raises(Refused, match="never submitted"):
        world.service.fire("again")
    assert world.service.retrainings()[0].state == "failed"


# -- what becomes of it ----------------------------------------------------------------------------


def test_a_better_challenger_waits_for_a_person(world):
    retraining = world.trained(0.95)
    assert retraining.state == "waiting_for_approval"
    assert (retraining.challenger_version, retraining.challenger_value) == ("2", 0.95)
    assert world.aliases == {"champion": "1"}
    assert f"approve {retraining.id}" in world.notices()[-1].hint
    assert world.notices()[-1].level == "info"  # good news, and no warning
    world.settle()
    assert len(world.notices()) == 1


@pytest.mark.parametrize("accuracy", [0.9, 0.5, None, math.nan, math.inf])
def test_a_challenger_that_is_not_better_is_not_proposed(world, accuracy):
    retraining = world.trained(accuracy)
    assert retraining.state == "not_better"
    assert retraining.text
    with pytest.raises(Refused):
        world.service.approve(retraining.id)
    assert world.aliases == {"champion": "1"}


@pytest.mark.parametrize(
    ("state", "expected"),
    [(JobState.FAILED, "failed"), (JobState.CANCELLED, "failed"), (JobState.UNKNOWN, "unknown")],
)
def test_a_job_that_did_not_succeed_never_leads_to_a_proposal(world, state, expected):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.metrics[f"run-of-{fired.job_id}"] = {"accuracy": 0.99}
    world.versions.append(ModelVersion("digits", "2", f"run-of-{fired.job_id}", None, "READY"))
    world.end(fired.job_id, state, reason=Reason("exit_nonzero", "It ended with 1"))
    world.settle()
    found = world.service.retrainings()[0]
    assert found.state == expected
    with pytest.raises(Refused):
        world.service.approve(fired.id)


def test_a_run_that_registers_no_version_of_the_model_fails(world):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.end(fired.job_id, accuracy=0.99, model="letters")
    world.settle()
    assert world.service.retrainings()[0].state == "failed"
    text = world.service.retrainings()[0].text
    assert text == "The job registered no version of digits, neither from its run nor from one below it."


def test_a_version_that_a_run_below_the_jobs_registered_is_the_challenger(world):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.end(fired.job_id, model="letters")
    world.below = {f"run-of-{fired.job_id}": ["fold-3"]}
    world.metrics["fold-3"] = {"accuracy": 0.99}
    world.versions.append(ModelVersion("digits", "2", "fold-3", None, "READY"))
    world.settle()
    run = world.pipelines.show(fired.id)
    assert run.challenger_version == "2"
    (told,) = [step.evidence.text for step in run.steps if step.name == "train"]
    assert told == f"Job {fired.job_id} has registered version 2 from run fold-3 below its own."


def test_a_registry_that_is_down_only_delays_the_answer(world):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.end(fired.job_id, accuracy=0.95)
    world.down = True
    world.settle()
    assert world.service.retrainings()[0].state == "training"
    assert "does not answer" in world.service.retrainings()[0].text
    world.down = False
    world.settle()
    assert world.service.retrainings()[0].state == "waiting_for_approval"


def test_a_rule_removed_meanwhile_proposes_nothing_nor_does_its_namesake(world):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.service.remove("again")
    world.service.create("again", "letters", "log_loss", lower_is_better=True)
    world.end(fired.job_id, accuracy=0.95)
    world.settle()
    assert world.service.retrainings()[0].state == "rejected"


# -- the decision ----------------------------------------------------------------------------------


def test_approval_moves_the_alias_and_says_who_decided(world):
    retraining = world.trained(0.95)
    approved = world.service.approve(retraining.id[:10])
    assert approved.state == "approved"
    assert approved.decided_by
    assert world.service.retraining(retraining.id[:10]) == approved
    assert world.aliases == {"champion": "2", "challenger": "2"}
    with pytest.raises(Refused):
        world.service.approve(retraining.id)


def test_rejection_leaves_the_alias(world):
    retraining = world.trained(0.95)
    assert world.service.reject(retraining.id).state == "rejected"
    assert world.aliases == {"champion": "1"}
    with pytest.raises(Refused):
        world.service.approve(retraining.id)


def test_approval_moves_nothing_where_the_champion_is_another_than_the_one_that_was_shown(world):
    retraining = world.trained(0.95)
    with pytest.raises(Refused, match="digits@champion is version 1 by now, and not the one"):
        world.service.approve(retraining.id, expected="7")
    world.versions.append(ModelVersion("digits", "3", "run-3", None, "READY"))
    world.metrics["run-3"] = {"accuracy": 0.92}
    world.aliases["champion"] = "3"
    with pytest.raises(Refused, match="digits@champion is version 3 by now, so the two are compared anew"):
        world.service.approve(retraining.id, expected="1")
    assert world.aliases["champion"] == "3"
    world.settle()
    told = world.service.retraining(retraining.id)
    assert (told.state, told.champion_version, told.champion_value) == ("waiting_for_approval", "3", 0.92)
    assert world.service.approve(retraining.id, expected="3").state == "approved"
    assert world.aliases == {"champion": "2", "challenger": "2"}


@pytest.mark.parametrize(
    ("newer", "state"), [(0.99, "not_better"), (0.92, "waiting_for_approval"), (None, "not_better")]
)
def test_what_has_become_champion_meanwhile_is_scored_as_well(world, newer, state):
    retraining = world.trained(0.95)
    world.versions.append(ModelVersion("digits", "3", "run-3", None, "READY"))
    world.metrics["run-3"] = {} if newer is None else {"accuracy": newer}
    world.aliases["champion"] = "3"
    with pytest.raises(Refused, match="compared anew"):
        world.service.approve(retraining.id)
    world.settle()
    assert world.aliases["champion"] == "3"
    found = world.service.retrainings()[0]
    assert (found.state, found.champion_version) == (state, "3")


def test_an_approval_the_registry_did_not_hear_can_be_repeated(world):
    retraining = world.trained(0.95)
    world.down = True
    with pytest.raises(Unavailable):
        world.service.approve(retraining.id)
    assert world.service.retrainings()[0].state == "waiting_for_approval"
    world.down = False
    assert world.service.approve(retraining.id).state == "approved"


def test_an_agent_that_died_after_moving_the_alias_can_finish_the_approval(world):
    retraining = world.trained(0.95)
    world.aliases["champion"] = "2"
    assert world.service.approve(retraining.id).state == "approved"


def test_unknown_ids_are_not_found(world):
    for verb in (world.service.approve, world.service.reject, world.service.retraining):
        for wrong in ("", "nothing"):
            with pytest.raises(NotFound):
                verb(wrong)


# -- by itself -------------------------------------------------------------------------------------


def test_drift_fires_the_rule_as_its_creator_and_the_job_brings_the_proposal(world):
    world.as_user(4321)
    world.service.create("again", "digits", "accuracy", endpoint="digits")
    world.as_user(os.getuid())
    world.service.start()
    world.report(ALARM)
    assert world.submitted[0][2] == 4321
    assert world.service.list()[0].last_fired_at
    fired = world.service.retrainings()[0]
    assert "drift" in fired.trigger
    world.end(fired.job_id, accuracy=0.95)
    world.bus.publish(JobChanged(world.jobs[fired.job_id]))
    wait_for(world, lambda: told_states(world)[-1:] == ["waiting_for_approval"])  # told after it is written down
    assert world.service.retrainings()[0].state is RetrainState.WAITING_FOR_APPROVAL
    world.service.stop()


def told_states(world):
    return [event.retraining.state for event in list(world.events) if isinstance(event, RetrainingChanged)]


def test_an_alarm_that_goes_on_fires_once(world):
    world.service.create("again", "digits", "accuracy", endpoint="digits")
    for _ in range(3):
        world.report(ALARM)
    assert len(world.submitted) == 1
    world.end("job-2", accuracy=0.5)
    world.settle()
    world.report(ALARM)
    assert len(world.submitted) == 1  # cooldown


def test_reports_without_an_alarm_fire_nothing(world):
    world.service.create("again", "digits", "accuracy", endpoint="digits")
    for report in (replace(ALARM, alarm=False), replace(ALARM, alarm=None), replace(ALARM, endpoint="other")):
        world.report(report)
    assert world.submitted == []


def test_a_rule_that_can_not_fire_says_so_once(world):
    world.service.create("again", "digits", "accuracy", endpoint="digits")
    world.down = True
    world.report(ALARM)
    world.report(ALARM)
    assert [notice.level for notice in world.notices()] == ["warning"]
    assert [one.state for one in world.service.firings("again")] == ["failed", "failed"]
    world.down = False
    world.report(ALARM)
    assert len(world.submitted) == 1


def test_a_rule_fires_as_its_creator_by_the_check_that_they_are_held_to_themselves(world):
    world.as_user(4321)
    world.service.create("theirs", "digits", "accuracy", endpoint="digits")
    world.as_user(os.getuid())
    world.policy = SingleUser()
    for _ in range(2):
        world.report(ALARM)
    assert world.submitted == []
    (notice,) = world.notices()
    assert "The rule theirs fired and could not retrain digits@champion" in notice.text
    assert "This agent belongs to" in notice.text
    assert "uid 4321 asked" in notice.text
    world.policy = Shared()
    world.report(ALARM)
    assert [uid for _, _, uid in world.submitted] == [4321]


def test_a_rule_of_an_older_version_that_names_no_creator_is_the_agents(world):
    world.policy = SingleUser()
    world.state.rules.put(Rule("old", "digits", "champion", "accuracy", endpoint="digits"))
    world.service = world.make()
    world.report(ALARM)
    assert [uid for _, _, uid in world.submitted] == [os.getuid()]


# -- across agents ---------------------------------------------------------------------------------


def test_a_new_agent_finds_the_job_that_the_old_one_submitted_and_did_not_note(world):
    """The old agent died between submitting the job and writing down its id."""
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.state.retrainings.put(replace(world.service.retrainings()[0], job_id=None))
    world.end(fired.job_id, accuracy=0.95)
    world.service = world.make()
    world.service.start()
    wait_for(world, lambda: world.service.retrainings()[0].state is RetrainState.WAITING_FOR_APPROVAL)
    assert world.service.retrainings()[0].job_id == fired.job_id
    assert len(world.submitted) == 1


def test_a_new_agent_fails_what_was_never_submitted_and_does_not_submit_it(world):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    del world.jobs[fired.job_id]
    world.service = world.make()
    world.service.start()
    wait_for(world, lambda: world.service.retrainings()[0].state is RetrainState.FAILED)
    assert len(world.submitted) == 1
