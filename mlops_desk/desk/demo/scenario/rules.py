"""The rules of the demonstration, each of another kind, and what they did over the last weeks.

They are written before anything judges rules, with how each stands, so that the next firing goes on where the last one
of the past was. Nothing of the past is done again: its firings are over, but for the one that waits for a person.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from mlops_desk.automation.records.firing import FiringState, FiringStep, KeptFiring
from mlops_desk.automation.records.rule_record import KeptStanding, RuleSight, WrittenRule
from mlops_desk.automation.records.rule_state import RuleClock, RuleStanding
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.rules.document.conditions import Metrics
from mlops_desk.automation.rules.document.document import format_rule, parse_rule
from mlops_desk.automation.rules.sentence import action_words
from mlops_desk.automation.rules.storage.rule_repository import spec_of
from mlops_desk.desk.demo import seed_records
from mlops_desk.desk.demo.scenario import ci
from mlops_desk.kit.storage.rule_tables import RuleTables
from mlops_desk.machine.telemetry.simulation.gpus import gpu_uuid

_HEAD = "apiVersion: mlops-desk/v1\nkind: Rule\n"
_HOUR = 3600.0
_ZONE, _NIGHTS = ZoneInfo("Europe/Berlin"), 12  # chosen: a rule that is not quite two weeks old
_HOT_GPU = "7"  # as the simulated machine has it: it stands where the air is warm
_QUESTION = "roll-back-churn-eu"
EU_RETRAINED, LINE_RETRAINED = "keep-churn-eu-fresh", "retrain-line-defects"
_RUNS_PUSHED = (
    f"name: run-pushed-churn\nwhen:\n  or:\n  - {{push: {ci.REPOSITORY}, ref: {ci.BRANCH}}}\n"
    f'  - {{push: {ci.REPOSITORY}, ref: "{ci.TAGS}"}}\nthen:\n- {{ci: mlops-desk.yaml}}\n'
)
_PUSHED_DAYS = 8.0  # chosen: after the oldest run, which a person began by hand


@dataclass(frozen=True, slots=True)
class _Told:
    """A rule of the past: its document, how many days ago it was made, and when it fired, in hours before now."""

    document: str
    days: float
    fired: tuple[float, ...] = ()
    subject: str = ""
    trigger: str = "its condition"
    is_paused: bool = False
    text: str = ""
    failed: tuple[int, ...] = ()
    trouble: str = ""
    hint: str | None = None


def _rules(seed: int, now: float) -> tuple[_Told, ...]:
    hot, nights = gpu_uuid(seed, _HOT_GPU), tuple((now - at) / _HOUR for at in _nights(now))
    return (
        _Told(
            "name: warn-hot-gpus\nwhen: {metric: hw.temperature, device: gpu, above: 80, clear: 78}\nfor: 1m\n"
            "then:\n- {notify: [desktop], level: warning}\ncooldown: 6h\n",
            26.0, (6.6, 30.2, 55.1, 79.3, 126.8, 175.4, 246.0, 301.5, 342.2, 420.7, 503.9), subject=hot,
            text="People were told on the desktop.",
        ),
        _Told(
            "name: slow-answers\nwhen: {metric: endpoint.latency.p99, device: endpoint, of: churn-prod, above: 0.2}\n"
            "for: 5m\nthen:\n- {alert: warning}\ncooldown: 1h\n",
            20.0, (211.3,), text="It raised an alert, which ended after 12 minutes.",
        ),
        _Told(
            f"name: {_QUESTION}\nwhen: {{metric: endpoint.latency.p99, device: endpoint, of: churn-eu, above: 0.12}}\n"
            'for: 1m\nthen:\n- {approval: "Answers of churn-eu are slow. Roll back to the revision before?"}\n'
            "- {rollBack: churn-eu}\ncooldown: 12h\n",
            18.0, (0.7, 262.0), text="amara did not agree, so nothing of what stands below is done.", failed=(1,),
        ),
        _Told(
            "name: nightly-scoring\nwhen: {cron: 0 2 * * *, zone: Europe/Berlin}\n"
            "then:\n- {submit: scikit-learn}\n",
            12.0, nights, trigger="its schedule", text="Its job was queued.", failed=(4,),
            trouble="The job can't be submitted: /srv/scores has no room left (0 B of 2 TB).",
            hint="Make room there, then fire the rule by hand.",
        ),
        _Told(
            f"name: {LINE_RETRAINED}\nwhen: {{manual: true}}\n"
            "then:\n- {retrain: resnet50, metric: accuracy, delta: 0.002, slices: [camera], sliceDelta: 0.01}\n",
            24.0,
            (169.0, 337.0),
            trigger="by maria",
            text="A retraining was begun.",
        ),
        _Told(
            f"name: {EU_RETRAINED}\nwhen: {{drift: churn-eu, model: churn}}\n"
            "then:\n- {retrain: churn, metric: auc}\ncooldown: 1d\n",
            15.0, (76.0,), trigger="drift of churn-eu", is_paused=True, text="A retraining was begun.",
        ),
    )  # fmt: skip


def _nights(now: float) -> Iterator[float]:
    """Yield when the schedule of the scoring came in the last days (Unix time), the newest first."""
    today = datetime.fromtimestamp(now, _ZONE).replace(hour=2, minute=0, second=0, microsecond=0)
    found = ((today - timedelta(days=days)).timestamp() for days in range(_NIGHTS + 1))
    yield from [at for at in found if at < now][:_NIGHTS]


def write(tables: RuleTables, metrics: Metrics, seed: int, now: float) -> None:
    """Write the rules, how they stand, and what they did; ``now`` is Unix time. Raises Invalid, Unavailable."""
    found = [_of(told, metrics, now) for told in _rules(seed, now)]
    pushed = _of_pushed(metrics, now)
    found += [_of_earlier(seed, now), pushed]
    tables.keep(
        [standing for _, standings, _ in found for standing in standings],
        [firing for _, _, firings in found for firing in firings],
        [written for written, _, _ in found],
        _sights(pushed[0], now),
    )


def _of(told: _Told, metrics: Metrics, now: float) -> tuple[WrittenRule, list[KeptStanding], list[KeptFiring]]:
    spec = parse_rule(_HEAD + told.document, metrics)
    times = sorted(now - hours * _HOUR for hours in told.fired)
    written = _written(spec, now - told.days * seed_records.DAY, times, is_paused=told.is_paused)
    firings = [_firing(told, spec, written, number, at) for number, at in enumerate(times, start=1)]
    return written, _standing(written, told.subject, times), firings


def _of_earlier(seed: int, now: float) -> tuple[WrittenRule, list[KeptStanding], list[KeptFiring]]:
    """Return the rule that has retrained the churn model, with the retrainings of that time."""
    rule = seed_records.rule(now)
    spec, retrained = spec_of(rule), seed_records.retrainings(seed, now)
    times = [one.created_at for one in retrained]
    written = _written(spec, rule.created_at, times)
    firings = [
        _made(spec, written, "", number, one.created_at, one.trigger, "A retraining was begun.", made=one.id)
        for number, one in enumerate(retrained, start=1)
    ]
    return written, _standing(written, "", times), firings


def _of_pushed(metrics: Metrics, now: float) -> tuple[WrittenRule, list[KeptStanding], list[KeptFiring]]:
    """Return the rule that runs what is pushed to the team's repository, with the runs that it began."""
    spec, came = parse_rule(_HEAD + _RUNS_PUSHED, metrics), ci.pushes(now)[::-1]
    times = [at for at, _, _ in came]
    written = _written(spec, now - _PUSHED_DAYS * seed_records.DAY, times)
    firings = []
    for number, (at, push, run) in enumerate(came, start=1):
        text = f"1 of its pipelines run: {run.ref} by run {run.id}."
        firing = _made(spec, written, "", number, at, "its condition", text, made=run.id)
        firings.append(replace(firing, pushed=(push,)))
    return written, _standing(written, "", times), firings


def _sights(written: WrittenRule, now: float) -> list[RuleSight]:
    """Return how the team's repository looked last, so that nothing in it is news to the first look."""
    at = {place: max(at for at, push, _ in ci.pushes(now) if push.ref.startswith(whole))
          for place, whole in enumerate(("refs/heads/", "refs/tags/"))}  # fmt: skip
    return [
        RuleSight(written.id, place, ci.seen(ci.REPOSITORY, ref) or "", at[place])
        for place, ref in enumerate((ci.BRANCH, ci.TAGS))
    ]


def _written(spec: RuleSpec, created_at: float, times: Sequence[float], *, is_paused: bool = False) -> WrittenRule:
    last = times[-1] if times else None
    named = seed_records.named(f"rule.{spec.name}")
    return WrittenRule(named, spec.name, format_rule(spec), os.getuid(), created_at, is_paused, last)


def _standing(written: WrittenRule, subject: str, times: Sequence[float]) -> list[KeptStanding]:
    """Return what keeps a rule from firing anew for what it fired for: it was another boot, as far as anybody knows."""
    if not times:
        return []
    return [
        KeptStanding(written.id, subject, RuleStanding((), fired=len(times), fired_at=RuleClock(times[-1], 0.0, "")))
    ]


def _firing(told: _Told, spec: RuleSpec, written: WrittenRule, number: int, at: float) -> KeptFiring:
    back = len(told.fired) - number  # 0 is the newest
    if spec.name == _QUESTION and back == 0:
        return _waiting(spec, written, number, at)
    bad = back in told.failed
    text = told.trouble if bad and told.trouble else told.text
    made = seed_records.named(f"pipeline.{spec.name}.{back}") if spec.name in {LINE_RETRAINED, EU_RETRAINED} else None
    return _made(
        spec, written, told.subject, number, at, told.trigger, text, made=made, failed=bad,
        hint=told.hint if bad else None,
    )  # fmt: skip


def _made(
    spec: RuleSpec,
    written: WrittenRule,
    subject: str,
    number: int,
    at: float,
    trigger: str,
    text: str,
    *,
    made: str | None = None,
    failed: bool = False,
    hint: str | None = None,
) -> KeptFiring:
    """Return a firing that is over: done, or its first action did not go well."""
    state = FiringState.FAILED if failed else FiringState.DONE
    steps = [
        FiringStep(kind, words, state, text, hint, at, at + 0.4, made=made) if place == 0 else FiringStep(kind, words)
        for place, (kind, words) in enumerate(_actions(spec))
    ]
    return KeptFiring(
        f"{written.id}/{number}/{subject}", spec.name, written.id, subject, number, at, trigger, tuple(steps), state,
        at + 0.4, written.created_by,
    )  # fmt: skip


def _waiting(spec: RuleSpec, written: WrittenRule, number: int, at: float) -> KeptFiring:
    """Return a firing that asks a person."""
    (kind, words), *rest = _actions(spec)
    first = FiringStep(kind, words, FiringState.WAITING, "Nobody has agreed yet.", begun_at=at)
    return KeptFiring(
        f"{written.id}/{number}/", spec.name, written.id, "", number, at, "its condition",
        (first, *(FiringStep(*one) for one in rest)), FiringState.WAITING, created_by=written.created_by,
    )  # fmt: skip


def _actions(spec: RuleSpec) -> Iterator[tuple[str, str]]:
    for action in spec.then:
        yield type(action).__name__, action_words(action)
