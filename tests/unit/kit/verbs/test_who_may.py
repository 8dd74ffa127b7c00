"""Who may ask for which verb: every one of them, as its owner, as somebody else and as an administrator, by the API."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mlops_desk.kit.api.server import ApiServer, describe
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import Caller
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, TimedOut
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.records.owner import Owned, Owner
from mlops_desk.kit.verbs.access import Permission, Relation, SingleUser
from mlops_desk.kit.verbs.declaration import Verb, Who, changes, verbs_of
from mlops_desk.kit.verbs.desk import PROTOCOLS
from tests.permission import Shared

if TYPE_CHECKING:
    from mlops_desk.kit.records.agent import AuditEntry

AGENT, ANNA, BO = 64_001, 64_002, 64_003  # no accounts of this machine
PEERS = {"owner": ANNA, "other": BO, "administrator": AGENT}
EVERYBODY, OWNER, ADMINISTRATOR = (True, True, True), (True, False, True), (False, False, True)

# verb: may the owner of the thing, somebody else, an administrator
TABLE = {
    "/v1/agent/info": EVERYBODY,
    "/v1/agent/doctor": EVERYBODY,
    "/v1/agent/audit": EVERYBODY,
    "/v1/agent/verify_audit": EVERYBODY,
    "/v1/agent/audit_links": EVERYBODY,
    "/v1/agent/shutdown": ADMINISTRATOR,
    "/v1/telemetry/status": EVERYBODY,
    "/v1/telemetry/status_at": EVERYBODY,
    "/v1/telemetry/window": EVERYBODY,
    "/v1/telemetry/history": EVERYBODY,
    "/v1/telemetry/curves": EVERYBODY,
    "/v1/telemetry/series": EVERYBODY,
    "/v1/telemetry/processes_in": EVERYBODY,
    "/v1/telemetry/processes": EVERYBODY,
    "/v1/gpus/list": EVERYBODY,
    "/v1/gpus/process": EVERYBODY,
    "/v1/gpus/hours": EVERYBODY,
    "/v1/gpus/end_process": OWNER,
    "/v1/gpus/cards": EVERYBODY,
    "/v1/gpus/card": EVERYBODY,
    "/v1/gpus/wait": EVERYBODY,
    "/v1/gpus/tell_when_free": EVERYBODY,
    "/v1/gpus/bookings": EVERYBODY,
    "/v1/gpus/booking": EVERYBODY,
    "/v1/gpus/reserve": EVERYBODY,
    "/v1/gpus/release": OWNER,
    "/v1/gpus/trust": ADMINISTRATOR,
    "/v1/gpus/note": EVERYBODY,
    "/v1/engines/list": EVERYBODY,
    "/v1/images/list": EVERYBODY,
    "/v1/images/show": EVERYBODY,
    "/v1/images/pull": EVERYBODY,
    "/v1/images/build": EVERYBODY,
    "/v1/images/tasks": EVERYBODY,
    "/v1/images/task": EVERYBODY,
    "/v1/images/logs": EVERYBODY,
    "/v1/images/cancel": OWNER,
    "/v1/images/remove": OWNER,
    "/v1/images/preview": EVERYBODY,
    "/v1/images/prune": ADMINISTRATOR,
    "/v1/images/volumes": EVERYBODY,
    "/v1/images/room": EVERYBODY,
    "/v1/events/list": EVERYBODY,
    "/v1/events/page": EVERYBODY,
    "/v1/events/show": EVERYBODY,
    "/v1/events/recording": EVERYBODY,
    "/v1/events/absence": EVERYBODY,
    "/v1/alerts/list": EVERYBODY,
    "/v1/alerts/show": EVERYBODY,
    "/v1/alerts/rules": EVERYBODY,
    "/v1/alerts/rule": EVERYBODY,
    "/v1/alerts/configure": ADMINISTRATOR,
    "/v1/alerts/acknowledge": EVERYBODY,
    "/v1/alerts/silence": OWNER,
    "/v1/alerts/try_webhook": ADMINISTRATOR,
    "/v1/bare/claim": EVERYBODY,
    "/v1/bare/seen": EVERYBODY,
    "/v1/bare/ended": OWNER,
    "/v1/jobs/submit": EVERYBODY,
    "/v1/jobs/import": EVERYBODY,
    "/v1/jobs/schema": EVERYBODY,
    "/v1/jobs/templates": EVERYBODY,
    "/v1/jobs/template": EVERYBODY,
    "/v1/jobs/save_template": EVERYBODY,
    "/v1/jobs/remove_template": EVERYBODY,
    "/v1/jobs/list": EVERYBODY,
    "/v1/jobs/page": EVERYBODY,
    "/v1/jobs/ran": EVERYBODY,
    "/v1/jobs/show": EVERYBODY,
    "/v1/jobs/preview": EVERYBODY,
    "/v1/jobs/explain": EVERYBODY,
    "/v1/jobs/prioritize": OWNER,
    "/v1/jobs/yaml": EVERYBODY,
    "/v1/jobs/cancel": OWNER,
    "/v1/jobs/rerun": EVERYBODY,
    "/v1/jobs/preview_rerun": EVERYBODY,
    "/v1/jobs/preview_import": EVERYBODY,
    "/v1/jobs/submit_import": EVERYBODY,
    "/v1/jobs/outputs": EVERYBODY,
    "/v1/jobs/diff": EVERYBODY,
    "/v1/jobs/export": OWNER,
    "/v1/jobs/group": EVERYBODY,
    "/v1/jobs/go_on": OWNER,
    "/v1/jobs/pause_group": OWNER,
    "/v1/jobs/cancel_group": OWNER,
    "/v1/jobs/shell": OWNER,
    "/v1/jobs/cache": EVERYBODY,
    "/v1/jobs/copy": EVERYBODY,
    "/v1/jobs/remove_copy": OWNER,
    "/v1/jobs/clear_cache": EVERYBODY,
    "/v1/jobs/disk": EVERYBODY,
    "/v1/jobs/lost": EVERYBODY,
    "/v1/jobs/forget": OWNER,
    "/v1/jobs/logs": EVERYBODY,
    "/v1/models/list": EVERYBODY,
    "/v1/models/versions": EVERYBODY,
    "/v1/models/show": EVERYBODY,
    "/v1/models/search": EVERYBODY,
    "/v1/models/find": EVERYBODY,
    "/v1/models/cards": EVERYBODY,
    "/v1/models/alias": EVERYBODY,
    "/v1/models/history": EVERYBODY,
    "/v1/models/preview": EVERYBODY,
    "/v1/models/compare": EVERYBODY,
    "/v1/models/promote": EVERYBODY,
    "/v1/models/rollback": EVERYBODY,
    "/v1/models/remove_alias": EVERYBODY,
    "/v1/models/labels": EVERYBODY,
    "/v1/models/tag": EVERYBODY,
    "/v1/models/describe": EVERYBODY,
    "/v1/models/delete": EVERYBODY,
    "/v1/models/register": EVERYBODY,
    "/v1/models/facts": EVERYBODY,
    "/v1/models/files": EVERYBODY,
    "/v1/models/view": EVERYBODY,
    "/v1/models/lineage": EVERYBODY,
    "/v1/models/open_lineage": EVERYBODY,
    "/v1/models/download": ADMINISTRATOR,
    "/v1/models/start": EVERYBODY,
    "/v1/models/server": EVERYBODY,
    "/v1/runs/list": EVERYBODY,
    "/v1/runs/window": EVERYBODY,
    "/v1/runs/columns": EVERYBODY,
    "/v1/runs/groups": EVERYBODY,
    "/v1/runs/page": EVERYBODY,
    "/v1/runs/experiments": EVERYBODY,
    "/v1/runs/show": EVERYBODY,
    "/v1/runs/datasets": EVERYBODY,
    "/v1/runs/metrics": EVERYBODY,
    "/v1/runs/artifacts": EVERYBODY,
    "/v1/registry/list": EVERYBODY,
    "/v1/registry/show": EVERYBODY,
    "/v1/registry/add": EVERYBODY,
    "/v1/registry/log_in": EVERYBODY,
    "/v1/registry/remove": EVERYBODY,
    "/v1/registry/page": ADMINISTRATOR,
    "/v1/runs/compare": EVERYBODY,
    "/v1/runs/code": EVERYBODY,
    "/v1/runs/curves": EVERYBODY,
    "/v1/runs/overlay": EVERYBODY,
    "/v1/runs/importance": EVERYBODY,
    "/v1/registry/import_runs": EVERYBODY,
    "/v1/registry/migrate": ADMINISTRATOR,
    "/v1/runs/labels": EVERYBODY,
    "/v1/runs/tag": EVERYBODY,
    "/v1/runs/describe": EVERYBODY,
    "/v1/runs/stages": EVERYBODY,
    "/v1/runs/delete": EVERYBODY,
    "/v1/runs/restore": EVERYBODY,
    "/v1/runs/artifact": EVERYBODY,
    "/v1/runs/download": ADMINISTRATOR,
    "/v1/registry/doctor": EVERYBODY,
    "/v1/registry/fix": ADMINISTRATOR,
    "/v1/registry/clean_up": EVERYBODY,
    "/v1/registry/clean": EVERYBODY,
    "/v1/registry/verify": EVERYBODY,
    "/v1/registry/export": ADMINISTRATOR,
    "/v1/registry/import": ADMINISTRATOR,
    "/v1/endpoints/deploy": OWNER,
    "/v1/endpoints/token": OWNER,
    "/v1/endpoints/split": OWNER,
    "/v1/endpoints/promote": OWNER,
    "/v1/endpoints/rollback": OWNER,
    "/v1/endpoints/scale": OWNER,
    "/v1/endpoints/fit": EVERYBODY,
    "/v1/endpoints/follow": OWNER,
    "/v1/endpoints/pin": OWNER,
    "/v1/endpoints/lend": OWNER,
    "/v1/endpoints/claim": OWNER,
    "/v1/endpoints/pause": OWNER,
    "/v1/endpoints/resume": OWNER,
    "/v1/endpoints/sleep": OWNER,
    "/v1/endpoints/wake": OWNER,
    "/v1/endpoints/runtimes": EVERYBODY,
    "/v1/endpoints/list": EVERYBODY,
    "/v1/endpoints/show": EVERYBODY,
    "/v1/endpoints/load": EVERYBODY,
    "/v1/endpoints/network": EVERYBODY,
    "/v1/endpoints/stop": OWNER,
    "/v1/endpoints/remove": OWNER,
    "/v1/endpoints/logs": OWNER,
    "/v1/endpoints/requests": OWNER,
    "/v1/endpoints/feedback": OWNER,
    "/v1/endpoints/try": OWNER,
    "/v1/endpoints/export": OWNER,
    "/v1/endpoints/compare": EVERYBODY,
    "/v1/endpoints/replay": OWNER,
    "/v1/endpoints/progress": EVERYBODY,
    "/v1/endpoints/cancel": EVERYBODY,
    "/v1/drift/check": EVERYBODY,
    "/v1/drift/list": EVERYBODY,
    "/v1/drift/page": EVERYBODY,
    "/v1/drift/profile": EVERYBODY,
    "/v1/drift/show": EVERYBODY,
    "/v1/monitors/list": EVERYBODY,
    "/v1/monitors/show": EVERYBODY,
    "/v1/monitors/create": EVERYBODY,
    "/v1/monitors/configure": OWNER,
    "/v1/monitors/weigh": OWNER,
    "/v1/monitors/remove": OWNER,
    "/v1/monitors/pause": OWNER,
    "/v1/monitors/resume": OWNER,
    "/v1/monitors/check": EVERYBODY,
    "/v1/monitors/history": EVERYBODY,
    "/v1/monitors/story": EVERYBODY,
    "/v1/monitors/performance": EVERYBODY,
    "/v1/monitors/rows": OWNER,
    "/v1/monitors/recompute": EVERYBODY,
    "/v1/cards/list": EVERYBODY,
    "/v1/cards/show": EVERYBODY,
    "/v1/cards/refresh": EVERYBODY,
    "/v1/cards/edit": EVERYBODY,
    "/v1/cards/submit": EVERYBODY,
    "/v1/cards/send_back": EVERYBODY,
    "/v1/cards/approve": EVERYBODY,
    "/v1/cards/archive": EVERYBODY,
    "/v1/cards/publish": EVERYBODY,
    "/v1/cards/export": EVERYBODY,
    "/v1/policies/list": EVERYBODY,
    "/v1/policies/show": EVERYBODY,
    "/v1/policies/set": ADMINISTRATOR,
    "/v1/policies/remove": ADMINISTRATOR,
    "/v1/policies/check": EVERYBODY,
    "/v1/evidence/build": EVERYBODY,
    "/v1/rules/create": EVERYBODY,
    "/v1/rules/list": EVERYBODY,
    "/v1/rules/show": EVERYBODY,
    "/v1/rules/check": EVERYBODY,
    "/v1/rules/dry_run": EVERYBODY,
    "/v1/rules/schema": EVERYBODY,
    "/v1/rules/measures": EVERYBODY,
    "/v1/rules/courses": EVERYBODY,
    "/v1/rules/pause": OWNER,
    "/v1/rules/edit": OWNER,
    "/v1/rules/reset": OWNER,
    "/v1/rules/resume": OWNER,
    "/v1/rules/remove": OWNER,
    "/v1/rules/fire": OWNER,
    "/v1/rules/firings": EVERYBODY,
    "/v1/rules/firing": EVERYBODY,
    "/v1/rules/answer": EVERYBODY,
    "/v1/rules/retrainings": EVERYBODY,
    "/v1/rules/retrainings_page": EVERYBODY,
    "/v1/rules/retraining": EVERYBODY,
    "/v1/rules/approve": OWNER,
    "/v1/rules/reject": OWNER,
    "/v1/labels/show": EVERYBODY,
    "/v1/labels/list": OWNER,
    "/v1/labels/set": OWNER,
    "/v1/labels/import": OWNER,
    "/v1/data/list": EVERYBODY,
    "/v1/data/show": EVERYBODY,
    "/v1/data/uses": EVERYBODY,
    "/v1/data/register": EVERYBODY,
    "/v1/data/update": OWNER,
    "/v1/data/forget": OWNER,
    "/v1/data/check": OWNER,
    "/v1/data/cancel": OWNER,
    "/v1/data/retention": EVERYBODY,
    "/v1/data/retain": ADMINISTRATOR,
    "/v1/data/redaction": EVERYBODY,
    "/v1/data/preview": OWNER,
    "/v1/data/redact": OWNER,
    "/v1/data/rewriting": OWNER,
    "/v1/data/rewrite": OWNER,
    "/v1/approvals/list": EVERYBODY,
    "/v1/approvals/show": EVERYBODY,
    "/v1/approvals/ask": EVERYBODY,
    "/v1/approvals/approve": EVERYBODY,
    "/v1/approvals/reject": EVERYBODY,
    "/v1/ci/run": EVERYBODY,
    "/v1/ci/check": EVERYBODY,
    "/v1/ci/schema": EVERYBODY,
    "/v1/ci/list": EVERYBODY,
    "/v1/ci/page": EVERYBODY,
    "/v1/ci/show": EVERYBODY,
    "/v1/ci/watched": EVERYBODY,
    "/v1/ci/follow": EVERYBODY,
    "/v1/ci/promote": EVERYBODY,
    "/v1/ci/cancel": OWNER,
    "/v1/pipelines/list": EVERYBODY,
    "/v1/pipelines/page": EVERYBODY,
    "/v1/pipelines/show": EVERYBODY,
    "/v1/pipelines/pause": OWNER,
    "/v1/pipelines/resume": OWNER,
    "/v1/pipelines/retry": OWNER,
    "/v1/pipelines/cancel": OWNER,
    "/v1/pipelines/learning_curve": EVERYBODY,
    "/v1/pipelines/curves": EVERYBODY,
    "/v1/pipelines/curve": EVERYBODY,
    "/v1/pipelines/cancel_curve": OWNER,
    "/v1/secrets/list": EVERYBODY,
    "/v1/secrets/show": EVERYBODY,
    "/v1/secrets/set": EVERYBODY,
    "/v1/secrets/move": EVERYBODY,
    "/v1/secrets/remove": EVERYBODY,
    "/v1/settings/list": EVERYBODY,
    "/v1/settings/show": EVERYBODY,
    "/v1/settings/set": ADMINISTRATOR,
}
VERBS = [verb for service, protocol in PROTOCOLS.items() for verb in verbs_of(service, protocol)]
VALUES: dict[Any, Any] = {str: "x", int: 1, float: 1.0, bool: True, Mapping[str, str]: {"x": "x"}}


@dataclass(frozen=True)
class Thing:
    """What every verb of the doubles gives: somebody's."""

    owner_uid: int | None = ANNA
    user: str | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.owner_uid, self.user)


class Service:
    """Answers every verb with ``thing``, or raises it, and notes what it was asked for."""

    def __init__(self, name: str, called: list[str], thing: Any) -> None:
        self._verbs = {verb.name: verb for verb in verbs_of(name, PROTOCOLS[name])}
        self._called, self._thing = called, thing

    def __getattr__(self, name: str) -> Any:
        verb = self._verbs[name]

        def method(**_given: Any) -> Any:
            self._called.append(verb.path)
            if isinstance(self._thing, DeskError):
                if not verb.mark.changes:
                    raise self._thing
                return "done"
            return iter(["line"]) if verb.streams else self._thing

        return method


class Agent:
    def __init__(self, thing: Any = None, policy: SingleUser | None = None) -> None:
        self.called: list[str] = []
        self.audit: list[AuditEntry] = []
        self.loop = Loop("test")
        services = {name: Service(name, self.called, thing or Thing()) for name in PROTOCOLS}
        permission = Permission(services, policy or Shared(AGENT))
        self.server = ApiServer(services, Bus(), self.loop, self.audit.append, permission)

    def ask(self, verb: Verb, uid: int) -> httpx.Response:
        """Ask for a verb over HTTP, with the kernel saying that ``uid`` asks."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self.server.app({**scope, "state": {"caller": Caller(uid, uid, 1)}}, receive, send)

        async def ask() -> httpx.Response:
            given = {one.name: value_of(one.type) for one in verb.parameters if one.required}
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as client:
                if verb.has_body:
                    return await client.post(verb.path, json=given)
                return await client.get(verb.path, params=given)

        return asyncio.run(ask())


def value_of(kind: Any) -> Any:
    return VALUES.get(kind, ["x"])


def verb_at(path: str) -> Verb:
    return next(verb for verb in VERBS if verb.path == path)


@pytest.fixture
def made() -> Iterator[list[Agent]]:
    agents: list[Agent] = []
    yield agents
    for agent in agents:
        assert agent.loop.stop(5.0) == []


@pytest.fixture(scope="module")
def everybodys() -> Iterator[Agent]:
    """One for all verbs and all who ask: to make the 300 ways in takes longer than to ask for one."""
    agent = Agent()
    yield agent
    assert agent.loop.stop(5.0) == []


@pytest.mark.parametrize("peer", range(3), ids=[*PEERS])
@pytest.mark.parametrize("verb", VERBS, ids=[verb.path for verb in VERBS])
def test_who_may(verb: Verb, peer: int, everybodys: Agent) -> None:
    agent = everybodys
    agent.called.clear()
    agent.audit.clear()
    answer = agent.ask(verb, [*PEERS.values()][peer])
    may = TABLE[verb.path][peer]
    assert answer.status_code == (200 if may else 403), answer.text
    assert (verb.path in agent.called) is may, "a verb that is refused never reaches its service"
    if verb.mark.changes:
        told = [(entry.uid, entry.state, entry.error is None) for entry in agent.audit]
        uid = [*PEERS.values()][peer]
        assert told == ([(uid, "began", True), (uid, "ended", True)] if may else [(uid, "ended", False)])


def test_the_table_has_no_row_for_what_is_no_verb() -> None:
    assert set(TABLE) == {verb.path for verb in VERBS}


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.mark.who is Who.OWNER], ids=lambda verb: verb.path)
def test_what_is_for_an_owner_is_about_a_thing_that_has_one_and_is_named(verb: Verb) -> None:
    shows = verb_at(f"/v1/{verb.service}/{verb.mark.before}")
    assert issubclass(shows.returns, object)
    assert isinstance(vars(shows.returns)["owner"], property)
    noun, argument = verb.mark.of or ("", "")
    assert noun
    assert argument in {one.name for one in verb.parameters} & {one.name for one in shows.parameters}


def test_a_verb_for_owners_can_not_be_declared_without_what_shows_the_owner() -> None:
    for half in ({"before": "show"}, {"of": ("job", "job_id")}, {}):
        with pytest.raises(TypeError, match="names the verb"):
            changes(who=Who.OWNER, **half)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.mark.changes], ids=lambda verb: verb.path)
def test_why_everybody_may_change_something_is_declared(verb: Verb) -> None:
    assert (verb.mark.who is Who.EVERYBODY) is bool(verb.mark.why)
    assert describe(verb).get("x-why", "") == verb.mark.why


def test_a_verb_for_everybody_can_not_be_declared_without_saying_why() -> None:
    for half in ({}, {"who": Who.ADMINISTRATOR, "why": "it is theirs"}):
        with pytest.raises(TypeError, match="says why"):
            changes(**half)


def test_a_refusal_says_what_whose_and_what_to_do(made: list[Agent]) -> None:
    agent = Agent()
    made.append(agent)
    told = agent.ask(verb_at("/v1/jobs/cancel"), BO).json()
    assert told["error"] == f"Job x belongs to uid {ANNA}, and uid {BO} asked for jobs cancel."
    assert told["hint"] == f"Ask uid {ANNA}, or an administrator (root or uid {AGENT})."
    assert told["code"] == "refused"
    told = agent.ask(verb_at("/v1/settings/set"), ANNA).json()
    assert told["error"] == (
        f"settings set is for this agent's administrators (root or uid {AGENT}), and uid {ANNA} asked."
    )
    assert told["hint"] == f"Ask one of them: root or uid {AGENT}."
    assert agent.audit[0].error == f"Job x belongs to uid {ANNA}, and uid {BO} asked for jobs cancel."
    assert (agent.audit[0].verb, agent.audit[0].user) == ("jobs.cancel", f"uid {BO}")


def test_what_is_not_there_yet_is_nobodys(made: list[Agent]) -> None:
    agent = Agent(NotFound("There is no endpoint x."))
    made.append(agent)
    agent.ask(verb_at("/v1/endpoints/deploy"), BO)
    assert agent.called == ["/v1/endpoints/show", "/v1/endpoints/deploy"]


def test_where_it_can_not_be_told_whose_a_thing_is_nothing_is_done(made: list[Agent]) -> None:
    agent = Agent(TimedOut("The database did not answer."))
    made.append(agent)
    for uid in (ANNA, BO, AGENT):
        assert agent.ask(verb_at("/v1/jobs/cancel"), uid).status_code == 504
    assert "/v1/jobs/cancel" not in agent.called
    assert agent.ask(verb_at("/v1/models/alias"), BO).text  # its thing belongs to nobody
    assert "/v1/models/alias" in agent.called


def test_a_thing_without_an_owner_is_a_bug_and_not_everybodys() -> None:
    class Nobody:
        def show(self, job_id: str) -> str:
            return "a job"

    permission = Permission({"jobs": Nobody()}, Shared(AGENT))
    with pytest.raises(TypeError, match="has none"):
        permission.check(verb_at("/v1/jobs/cancel"), {"job_id": "x"}, Caller(AGENT, 1, 1))
    assert not isinstance("a job", Owned)


@pytest.mark.parametrize(("uid", "is_in"), [(AGENT, True), (0, True), (ANNA, False)])
def test_an_agent_of_ones_own_answers_its_user_and_root_alone(uid: int, is_in: bool, made: list[Agent]) -> None:
    agent = Agent(policy=SingleUser(AGENT))
    made.append(agent)
    for path in ("/v1/jobs/list", "/v1/jobs/submit", "/v1/jobs/logs"):
        assert (agent.ask(verb_at(path), uid).status_code == 200) is is_in
        assert (path in agent.called) is is_in
    if not is_in:
        with pytest.raises(Refused, match=f"belongs to uid {AGENT} .uid {AGENT}., and uid {uid} asked") as refused:
            SingleUser(AGENT).admit(Caller(uid, uid, 1))
        assert refused.value.hint == "Start one of your own: mlops-desk status"


@pytest.mark.parametrize(
    ("owner", "peer", "standing"),
    [
        (Owner(ANNA, "root"), ANNA, Relation.OWNER),
        (Owner(ANNA, "root"), 0, Relation.ADMINISTRATOR),
        (Owner(ANNA, f"uid {BO}"), BO, Relation.OTHER),
        (Owner(None, f"uid {BO}"), BO, Relation.OWNER),
        (Owner(None, f"uid {BO}"), ANNA, Relation.OTHER),
        (Owner(None, f"uid {BO}"), AGENT, Relation.ADMINISTRATOR),
        (Owner(None, "root"), 0, Relation.OWNER),
        (Owner(None, None), AGENT, Relation.OWNER),
        (Owner(None, None), BO, Relation.OTHER),
        (Owner(0, None), BO, Relation.OTHER),
        (None, AGENT, Relation.ADMINISTRATOR),
        (None, 0, Relation.ADMINISTRATOR),
        (None, ANNA, Relation.OTHER),
    ],
)
def test_the_uid_decides_then_the_name_and_what_neither_names_is_the_agents(
    owner: Owner | None, peer: int, standing: Relation
) -> None:
    assert SingleUser(AGENT).relation(Caller(peer, peer, 1), owner) is standing


def test_somebody_on_whose_behalf_the_agent_acts_is_held_to_the_same() -> None:
    called: list[str] = []
    services = {"rules": Service("rules", called, Thing())}
    with pytest.raises(Refused, match=r"^This agent belongs to .*, and uid 64003 asked"):
        Permission(services, SingleUser(AGENT)).check_named("rules", "fire", {"name": "r"}, Caller(BO, -1, 0))
    Permission(services, SingleUser(AGENT)).check_named("rules", "fire", {"name": "r"}, Caller(AGENT, -1, 0))
    with pytest.raises(Refused, match="Rule r belongs to uid 64002"):
        Permission(services, Shared(AGENT)).check_named("rules", "remove", {"name": "r"}, Caller(BO, -1, 0))
