"""What a step of a pipeline found, as facts: whatever its record has, and nothing that it has not."""

from collections.abc import Iterable, Iterator

from mlops_desk.base.text import plain
from mlops_desk.records.pipelines.comparison import ModelCost, ModelEvaluation
from mlops_desk.records.pipelines.evidence import DataCheck, DataManifest, EndpointMove, GateResult, StepEvidence
from mlops_desk.records.pipelines.run import PipelineRun, PipelineStep, StepName
from mlops_desk.records.pipelines.word import DecisionWord
from mlops_desk.ui.automations import words
from mlops_desk.ui.widgets.facts import Fact, moment_fact
from mlops_desk.ui.words import numbers

_MOST = 60  # chosen: more of one kind than anybody reads; the command line tells all
_TEXT = 400  # characters: five lines of the pane
_PARTS = {"fixed": "the champion's test set", "newest": "the newest labelled rows"}


def step_facts(run: PipelineRun, step: PipelineStep) -> list[Fact]:
    """Return what is known of a step."""
    mark = words.step_mark(step)
    took = words.took(step)
    facts = [Fact("State", f"{mark.text}{f', took {took}' if took else ''}", mark.token)]
    if step.started_at is not None:
        facts.append(moment_fact("Begun", step.started_at))
    evidence = step.evidence
    if evidence.text:
        facts.append(Fact("Found", plain(evidence.text, _TEXT)))
    if evidence.hint:
        facts.append(Fact("What to do", plain(evidence.hint, _TEXT)))
    if step.name is StepName.APPROVE:
        facts.extend(said_facts(run.said))
    facts.extend(_of_data(evidence))
    if evidence.job_id:
        facts.append(Fact("Job", plain(evidence.job_id, 80), fixed=True))
    if evidence.version:
        facts.append(Fact("Version", f"{plain(run.model)} v{plain(evidence.version)}"))
    if evidence.same_as:
        facts.append(Fact("Trained before by", plain(evidence.same_as, 80), fixed=True))
    if evidence.evaluation is not None:
        facts.extend(evaluation_facts(evidence.evaluation))
    facts.extend(_gate(one) for one in evidence.gates[:_MOST])
    facts.extend(_move(one) for one in evidence.endpoints[:_MOST])
    return facts


def _of_data(evidence: StepEvidence) -> Iterator[Fact]:
    manifest = evidence.manifest
    if manifest is not None:
        yield Fact(
            "Data", data_told(manifest), tip="\n".join(plain(target, 100) for target in manifest.targets[:_MOST])
        )
        yield Fact("SHA-256", plain(manifest.sha256, 64), fixed=True)
    shown = sorted(evidence.checks, key=lambda one: one.passed is True)  # what did not pass comes first
    for check in shown[:_MOST]:
        yield _check(check)
    if len(shown) > _MOST:
        yield Fact("", f"{numbers.count(len(shown) - _MOST, 'check')} more")


def data_told(manifest: DataManifest) -> str:
    """Say how much was frozen; of a job without mounts nobody knows what it reads, which is not nothing."""
    if not manifest.targets and not manifest.files:
        return "nothing is mounted: what its command reads is not known"
    return f"{numbers.count(manifest.files, 'file')}, {numbers.size(manifest.size_bytes)}"


def _check(one: DataCheck) -> Fact:
    word, tone = _passed(passed=one.passed)
    column = f"{plain(one.column, 60)}: " if one.column else ""
    return Fact(f"Check: {plain(one.kind, 20)}", f"{word} {column}{plain(one.text, _TEXT)}", tone)


def _gate(one: GateResult) -> Fact:
    word, tone = _passed(passed=one.passed)
    if one.passed is None and one.limit is None:  # the rule sets none
        word = f"{numbers.IDLE} not asked:"
    return Fact(f"Gate: {plain(one.gate, 20)}", f"{word} {plain(one.text, _TEXT)}", tone)


def said_facts(said: Iterable[DecisionWord]) -> list[Fact]:
    """Return what people said to what asked for their word, and why."""
    facts = []
    for one in [*said][:_MOST]:
        word = "agreed" if one.agrees else "rejected"
        why = plain(one.why, _TEXT) or "without a reason"
        facts.append(Fact(f"{plain(one.user, 40)} {word}", why, tip=numbers.absolute(one.at), moment=one.at))
    return facts


def gate_facts(evidence: StepEvidence) -> list[Fact]:
    """Return whether a challenger may pass, by each rule."""
    return [_gate(one) for one in evidence.gates[:_MOST]]


def _passed(*, passed: bool | None) -> tuple[str, str]:
    if passed is None:
        return f"{numbers.UNKNOWN} not told:", "muted"
    return (f"{numbers.OK} passed:", "text") if passed else (f"{numbers.ALERT} not passed:", "alert")


def evaluation_facts(found: ModelEvaluation) -> Iterator[Fact]:
    """Yield how both models did on each part of the data, and what each takes."""
    for score in found.scores[:_MOST]:
        where = _PARTS.get(score.part, plain(score.part, 40))
        yield Fact(
            f"{plain(score.metric, 30)}, {where}",
            f"champion {words.scored(score.champion)}, challenger {words.scored(score.challenger)}, "
            f"difference {words.scored(score.difference)}",
            tip=f"{score.rows:,} of {score.read:,} rows of {plain(score.data, 200)}; {plain(score.method, 30)}",
        )
        for group in score.groups[:_MOST]:
            yield Fact(
                f"… {plain(group.column, 30)} = {plain(group.group, 30)}",
                f"champion {words.scored(group.champion)}, challenger {words.scored(group.challenger)} "
                f"({group.rows:,} rows)",
            )
    yield from beside_scores(found)


def beside_scores(found: ModelEvaluation) -> Iterator[Fact]:
    """Yield what an evaluation tells beside its scores: rows that there are none of, and what each model takes."""
    for missing in found.missing[:_MOST]:
        yield Fact("No rows", plain(missing, _TEXT), "muted")
    for title, cost in (("Champion takes", found.champion), ("Challenger takes", found.challenger)):
        if cost != ModelCost():
            yield Fact(title, _cost(cost))


def _cost(cost: ModelCost) -> str:
    size = numbers.size(cost.size_bytes)
    if cost.batch_seconds is None or cost.batch is None:
        return size
    return f"{size}, {numbers.seconds(cost.batch_seconds)} for {numbers.count(cost.batch, 'row')}"


def _move(one: EndpointMove) -> Fact:
    told = ", ".join(filter(None, (plain(one.state, 30), one.version and f"v{plain(one.version)}")))
    why = one.text or ("" if one.follows else "It does not follow the alias.")
    return Fact(f"Endpoint {plain(one.name, 60)}", plain(f"{told}: {why}" if why else told, _TEXT))
