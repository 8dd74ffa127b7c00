"""What the page on automations asks the agent for, and how announcements keep it true."""

from dataclasses import dataclass

from mlops_desk.automation.records.approval import Approval
from mlops_desk.automation.records.ci.run import CiBrief, CiRun, ci_brief
from mlops_desk.automation.records.firing import KeptFiring
from mlops_desk.automation.records.pipelines.run import PipelineBrief, PipelineRun, pipeline_brief
from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live import announcements
from mlops_desk.kit.window.live.store import Loaded, Store, Topic
from mlops_desk.machine.records import event as events

AUTOMATIONS = Topic("automations")
"""All rules by name, with how they stand."""
FIRINGS = Topic("firings")
PIPELINES = Topic("pipelines")
CI_RUNS = Topic("ci_runs")
APPROVALS = Topic.APPROVALS
FIRINGS_LOADED, PIPELINES_LOADED = 300, 200  # chosen: weeks of a busy machine; the command line lists all


@dataclass(frozen=True, slots=True)
class SeenPipeline:
    """A pipeline as lists have it, and whole where it was announced or asked for."""

    brief: PipelineBrief
    run: PipelineRun | None = None


@dataclass(frozen=True, slots=True)
class SeenCi:
    """A run of a repository's pipeline as lists have it, and whole where it was announced or asked for."""

    brief: CiBrief
    run: CiRun | None = None


def rules(store: Store) -> dict[str, KeptRule]:
    return store.part(AUTOMATIONS).value or {}


def firings(store: Store) -> dict[str, KeptFiring]:
    return store.part(FIRINGS).value or {}


def pipelines(store: Store) -> dict[str, SeenPipeline]:
    return store.part(PIPELINES).value or {}


def ci_runs(store: Store) -> dict[str, SeenCi]:
    return store.part(CI_RUNS).value or {}


def approvals(store: Store) -> dict[str, Approval]:
    return store.part(APPROVALS).value or {}


def _ask_rules(desk: ClientLike, _store: Store) -> dict[str, KeptRule]:
    return {rule.name: rule for rule in desk.rules.list()}


def _ask_firings(desk: ClientLike, _store: Store) -> dict[str, KeptFiring]:
    return {firing.id: firing for firing in desk.rules.firings(limit=FIRINGS_LOADED)}


def _ask_pipelines(desk: ClientLike, _store: Store) -> dict[str, SeenPipeline]:
    return {brief.id: SeenPipeline(brief) for brief in desk.pipelines.list(limit=PIPELINES_LOADED)}


def _ask_ci_runs(desk: ClientLike, _store: Store) -> dict[str, SeenCi]:
    return {brief.id: SeenCi(brief) for brief in desk.ci.list(limit=PIPELINES_LOADED)}


def _ask_approvals(desk: ClientLike, _store: Store) -> dict[str, Approval]:
    return {one.id: one for one in desk.approvals.list()}


def _keep_approvals(store: Store, event: events.ApprovalsChanged) -> bool:
    part = store.part(APPROVALS)
    if part.value is None:
        return False
    part.value = {one.id: one for one in event.approvals}
    return True


LOADS = (
    Loaded(
        AUTOMATIONS,
        _ask_rules,
        {
            events.AutomationChanged: announcements.put_first(
                lambda store: store.part(AUTOMATIONS), lambda event: (event.rule.name, event.rule)
            ),
            events.RuleRemoved: announcements.remove(lambda store: store.part(AUTOMATIONS), lambda event: event.name),
        },
    ),
    Loaded(
        FIRINGS,
        _ask_firings,
        {
            events.FiringChanged: announcements.put_first(
                lambda store: store.part(FIRINGS), lambda event: (event.firing.id, event.firing)
            )
        },
    ),
    Loaded(
        PIPELINES,
        _ask_pipelines,
        {
            events.PipelineChanged: announcements.put_first(
                lambda store: store.part(PIPELINES),
                lambda event: (event.run.id, SeenPipeline(pipeline_brief(event.run), event.run)),
            )
        },
    ),
    Loaded(
        CI_RUNS,
        _ask_ci_runs,
        {
            events.CiChanged: announcements.put_first(
                lambda store: store.part(CI_RUNS),
                lambda event: (event.run.id, SeenCi(ci_brief(event.run), event.run)),
            )
        },
    ),
    Loaded(APPROVALS, _ask_approvals, {events.ApprovalsChanged: _keep_approvals}, early=True),
)
