"""Words for an endpoint: its facts, and how its numbers are written."""

from collections.abc import Mapping
from dataclasses import replace

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.widgets.facts import Fact, moment_fact, reason_facts
from mlops_desk.kit.window.words import marks, numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.registry.records.model import Model
from mlops_desk.serving.records import processor_words
from mlops_desk.serving.records.endpoint import (
    DeployStep,
    Endpoint,
    EndpointPause,
    EndpointRevision,
    EndpointState,
    ModelRef,
    RevisionState,
    Traffic,
)
from mlops_desk.serving.records.network import NetworkAddress
from mlops_desk.serving.window import status_text

_REASON = 400  # chosen: a paragraph
RUNTIMES = {
    "training": "the image that it was trained in",
    "build": "an image built of its requirements",
    "machine": "an image built on this machine's own Python",
}
_SAID_BY_STATE = frozenset({"build", "start", "probe"})
"""Steps whose name says no more than building, starting or probing."""
_PROBE = "probe"  # the step in which it is asked for what it answers, before anybody else is
NEVER_RUN = "Never run on a real one"
REVISION_MARKS = {
    RevisionState.BUILDING: Mark("info", numbers.INFO, "building"),
    RevisionState.STARTING: Mark("info", numbers.INFO, "starting"),
    RevisionState.SHADOW: Mark("info", numbers.INFO, "shadow"),
    RevisionState.CANARY: Mark("info", numbers.INFO, "canary"),
    RevisionState.LIVE: Mark("ok", numbers.OK, "live"),
    RevisionState.DRAINING: Mark("muted", numbers.IDLE, "draining"),
    RevisionState.RETIRED: Mark("muted", numbers.IDLE, "retired"),
    RevisionState.ROLLED_BACK: Mark("warning", numbers.WARNING, "rolled back"),
    RevisionState.FAILED: Mark("alert", numbers.ALERT, "failed"),
}


def per_second(value: float | None) -> str:
    """Say a rate."""
    return numbers.NOTHING if value is None else f"{numbers.number(value)}{numbers.THIN}/s"


def cores(value: float | None) -> str:
    """Say how many cores are taken."""
    return numbers.NOTHING if value is None else f"{value:.2g}"


def share(percent: float) -> str:
    """Say a share of the requests."""
    return f"{percent:.3g}{numbers.THIN}%" if percent else numbers.NOTHING


def state_mark(endpoint: Endpoint) -> Mark:
    """Return how it stands, and what is under way with it, or became of its newest revision.

    A live one that says what is wrong is a warning. That a replica is tried before it answers, its step alone tells.
    """
    mark = marks.ENDPOINT_MARKS[endpoint.state]
    if endpoint.paused is not None:
        is_well = endpoint.state in {EndpointState.LIVE, EndpointState.ASLEEP}
        return Mark("warning", numbers.WARNING, f"{mark.word}, paused") if is_well else replace(
            mark, word=f"{mark.word}, paused"
        )  # fmt: skip
    if endpoint.lent is not None:
        return replace(mark, word=f"{mark.word}, GPUs lent")
    if endpoint.state is EndpointState.STARTING and _step_now(endpoint) == _PROBE:
        return replace(mark, word="probing")
    if endpoint.state is not EndpointState.LIVE:
        return mark
    beside = _beside(endpoint)
    told = mark if not beside else replace(mark, word=f"{mark.word}, {beside}")
    return replace(told, token="warning", shape=numbers.WARNING) if endpoint.reason is not None else told  # noqa: S106 - a colour


def _beside(endpoint: Endpoint) -> str:
    """Say what the revision does that is not the live one, and is the newest or still answers; "" for none."""
    if endpoint.rollout is not None and endpoint.rollout.percent:
        return f"canary {endpoint.rollout.percent:.3g}{numbers.THIN}%"
    newest = endpoint.revisions[-1:]
    for one in (*newest, *endpoint.revisions):
        is_told = (one in newest and one.state is not RevisionState.RETIRED) or one.state is RevisionState.DRAINING
        if is_told and one.revision != endpoint.revision:
            return f"r{one.revision} {REVISION_MARKS[one.state].word}"
    return ""


def _step_now(endpoint: Endpoint) -> str | None:
    """Return the word of the step that goes on; None for none."""
    return next((one.name for one in reversed(endpoint.steps) if one.seconds is None), None)


def now_told(endpoint: Endpoint) -> tuple[str, str]:
    """Return what is under way with an endpoint, or what is wrong, and in which tone; nothing where all is well."""
    mark = marks.ENDPOINT_MARKS[endpoint.state]
    if endpoint.paused is not None:
        return plain(f"{numbers.WARNING} {_paused(endpoint.paused)}", _REASON), "warning"
    if endpoint.state is EndpointState.ASLEEP and endpoint.reason is not None:
        return plain(f"{mark.text}: {endpoint.reason.text}", _REASON), "info"
    if endpoint.reason is not None:
        text = f"{endpoint.reason.text.rstrip('.')}."
        said = plain(f"{text} {endpoint.reason.hint or ''}", _REASON).rstrip()
        failed = endpoint.state is EndpointState.FAILED
        return (f"{numbers.ALERT} {said}", "alert") if failed else (f"{numbers.WARNING} {said}", "warning")
    behind, beside = status_text.behind(endpoint), under_way(endpoint)
    is_first = endpoint.state in {EndpointState.BUILDING, EndpointState.STARTING}
    step = next((one for one in reversed(endpoint.steps) if one.seconds is None), None)
    if step is not None and (is_first or beside is not None):
        what = (
            state_mark(endpoint).text
            if is_first or beside is None
            else f"{REVISION_MARKS[beside.state].text} revision {beside.revision}"
        )
        how = step.text if step.name in _SAID_BY_STATE else f"{step.name}, {step.text}"
        return plain(f"{what}: {how}", _REASON), "info"
    return (plain(f"{numbers.WARNING} {behind}", _REASON), "warning") if behind is not None else ("", "text")


def _paused(pause: EndpointPause) -> str:
    why = "" if pause.text is None else f": {pause.text.rstrip('.')}"
    return f"Callers are turned away: paused by {pause.by} {numbers.ago(pause.since)}{why}."


def under_way(endpoint: Endpoint) -> EndpointRevision | None:
    """Return the revision that is being built or started; None for none."""
    making = {RevisionState.BUILDING, RevisionState.STARTING}
    return next((one for one in reversed(endpoint.revisions) if one.state in making), None)


def errors_told(errors: Mapping[str, int] | None) -> str:
    """Say how many errors of which class there were."""
    if errors is None:
        return "not known"
    return ", ".join(f"{count:,} {class_}" for class_, count in errors.items()) or "none"


def alias_now(endpoint: Endpoint, models: Mapping[str, Model]) -> tuple[str, str]:
    """Return which alias it follows, or was deployed by, and what it serves of that; and the tone of it."""
    if endpoint.follows is not None:
        following, alias = endpoint.following, plain(endpoint.follows, 60)
        if status_text.behind(endpoint) is None or following is None:
            return f"follows @{alias}", "text"
        is_now = "is gone" if following.version is None else f"is v{plain(following.version, 20)}"
        return f"{numbers.WARNING} @{alias} {is_now}", "warning"
    model = endpoint.model
    if not model.alias:
        return "", "muted"
    known = models.get(model.name)
    if known is None:
        return f"@{model.alias}", "muted"
    now = known.aliases.get(model.alias)
    if now == model.version:
        return f"@{model.alias}", "text"
    return f"{numbers.WARNING} @{model.alias} is {'gone' if now is None else f'v{now}'}", "warning"


def facts_of(endpoint: Endpoint, models: Mapping[str, Model]) -> list[Fact]:
    """Return what is known of an endpoint, the most important first; ``models`` tell where aliases point now."""
    mark = state_mark(endpoint)
    model = endpoint.model
    load = endpoint.load
    traffic = ", ".join(
        f"revision {revision}: {numbers.percent(share)}" for revision, share in endpoint.traffic.items()
    )
    return [
        Fact("State", mark.text, mark.token),
        *([] if endpoint.paused is None else [Fact("Paused", plain(_paused(endpoint.paused), _REASON), "warning")]),
        *_step_facts(endpoint),
        *reason_facts(endpoint.reason),
        Fact("Model", f"{model.name} version {model.version}"),
        *_alias_facts(model, models),
        Fact("Revision", str(endpoint.revision)),
        Fact("Traffic", traffic or "none"),
        *(_request_facts(load) if load else []),
        Fact("Errors of 24 h", errors_told(endpoint.errors)),
        *_replica_facts(endpoint),
        Fact("Access", *_access(endpoint)),
        *_network_facts(endpoint.network),
        Fact("Containers", "\n".join(f"{r.container} ({r.state})" for r in endpoint.replicas) or "none", fixed=True),
        *_runtime_facts(endpoint),
        Fact("Processor", processor_words.told(endpoint.processor)),
        *([Fact("Image", endpoint.image, fixed=True)] if endpoint.image else []),
        *([Fact("Request log", endpoint.request_log, fixed=True)] if endpoint.request_log else []),
        moment_fact("Created", endpoint.created_at),
        moment_fact("Changed", endpoint.updated_at),
    ]


def _runtime_facts(endpoint: Endpoint) -> list[Fact]:
    if not endpoint.runtime:
        return []
    told = RUNTIMES.get(endpoint.runtime, endpoint.runtime)
    if not endpoint.never_run:
        return [Fact("Runtime", told)]
    return [Fact("Runtime", f"{numbers.WARNING} {told}. {NEVER_RUN} of its images.", "warning")]


def _replica_facts(endpoint: Endpoint) -> list[Fact]:
    """Say how many replicas answer of those that should, and why fewer do; nothing of one that is at rest."""
    if endpoint.state in {EndpointState.FAILED, EndpointState.STOPPED}:
        return []
    bounds = endpoint.scale
    between = "" if bounds.least == bounds.most else f", from {bounds.least} to {bounds.most} as requests wait"
    told = f"{endpoint.ready} of {endpoint.wanted} ready{between}"
    if endpoint.shortage is None:
        return [Fact("Replicas", told)]
    return [Fact("Replicas", f"{numbers.WARNING} {told}: {endpoint.shortage.text}", "warning")]


def _access(endpoint: Endpoint) -> tuple[str, str]:
    """Return who may ask it, and the tone of that."""
    if endpoint.token_required:
        return "who asks needs a token", "text"
    return f"{numbers.WARNING} open to every user of this machine", "warning"


def _network_facts(network: NetworkAddress | None) -> list[Fact]:
    """Say where other machines reach it and by which certificate, or what keeps them out; nothing where none should."""
    if network is None:
        return []
    word = "Why not" if network.url is None else "But"
    why = [] if network.reason is None else [Fact(word, f"{numbers.WARNING} {network.reason.text}", "warning")]
    if network.url is None:
        return [Fact("Other machines", "do not reach it", "warning"), *why]
    trusted = [Fact("They trust", network.certificate, fixed=True)] if network.certificate else []
    shown = [Fact("Its SHA-256", network.fingerprint, fixed=True)] if network.fingerprint else []
    return [Fact("Other machines", network.url, fixed=True), *trusted, *shown, *why]


def _step_facts(endpoint: Endpoint) -> list[Fact]:
    """Say what a deployment is doing now, and how long each step took."""
    step = next((one for one in reversed(endpoint.steps) if one.seconds is None), None)
    under_way = [] if step is None else [Fact("Step", f"{step.name}: {step.text}")]
    return [*under_way, *([Fact("Steps", "\n".join(map(_step, endpoint.steps)))] if len(endpoint.steps) > 1 else [])]


def _step(step: DeployStep) -> str:
    took = "…" if step.seconds is None else numbers.seconds(step.seconds)
    return f"{step.name} {took}: {step.text}"


def _request_facts(load: Traffic) -> list[Fact]:
    found = [Fact("Requests", f"{load.requests_total:,}, {numbers.count(load.errors_total, 'error')}")]
    if load.unlogged_total:
        text = f"{numbers.WARNING} {load.unlogged_total:,}: the disk is full, or does not keep up"
        found.append(Fact("Not logged", text, "warning"))
    return found


def _alias_facts(model: ModelRef, models: Mapping[str, Model]) -> list[Fact]:
    """Return by which alias it was deployed, and where that points now: an endpoint stays on its version."""
    if not model.alias:
        return []
    known = models.get(model.name)
    if known is None:
        return [Fact("Deployed as", f"@{model.alias}; where that points now is not known")]
    now = known.aliases.get(model.alias)
    if now == model.version:
        return [Fact("Deployed as", f"@{model.alias}, which is version {now} now too")]
    where = f"is version {now} now" if now else "does not exist any more"
    return [Fact("Deployed as", f"{numbers.WARNING} @{model.alias}, which {where}", "warning")]


_ANSWERING = {RevisionState.LIVE, RevisionState.CANARY, RevisionState.SHADOW}


def can_answer(one: EndpointRevision) -> bool:
    """Tell whether a revision can be made the live one: it is on its way, or its files are kept."""
    return one.state in _ANSWERING - {RevisionState.LIVE} or (one.is_kept and one.state is not RevisionState.LIVE)


def earlier(endpoint: Endpoint) -> EndpointRevision | None:
    """Return the newest revision before the live one that can answer again: what one rolls back to."""
    before = (one for one in endpoint.revisions if one.revision < endpoint.revision and can_answer(one))
    return max(before, key=lambda one: one.revision, default=None)
