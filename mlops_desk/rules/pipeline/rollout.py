"""The steps after the approval: the alias of the challenger, its way beside what answers, and the champion's alias.

Endpoints that follow the alias go by shadow and canary; those that don't are named, and left as they are. Where there
are none, the alias moves at once.
"""

from collections.abc import Callable, Sequence

from mlops_desk.base.errors import Hint
from mlops_desk.base.text import plain
from mlops_desk.records.pipelines.evidence import EndpointMove, StepEvidence
from mlops_desk.records.pipelines.run import PipelineRun, PipelineState, StepName, StepState
from mlops_desk.rules.pipeline.machine import StepOutcome, again_from, failed_outcome
from mlops_desk.rules.pipeline.ports import PipelineParts

CHALLENGER = "challenger"
_SHADOWED = frozenset({"shadow", "canary", "live"})
_LOST = frozenset({"failed", "rolled_back"})


class RollingOut:
    """Leads endpoints to the challenger."""

    def __init__(self, parts: PipelineParts) -> None:
        self._parts = parts

    def register(self, run: PipelineRun) -> StepOutcome:
        """Mark the version as the challenger."""
        version = run.challenger_version or ""
        self._parts.set_alias(run.model, CHALLENGER, version)
        text = f"{plain(run.model)}@{CHALLENGER} is version {plain(version)}."
        return StepOutcome(run, StepEvidence(text, version=version))

    def shadow(self, run: PipelineRun) -> StepOutcome:
        """Let the challenger get copies of requests, on each endpoint that follows the alias."""
        return self._led(run, self._parts.rollouts.shadow, _SHADOWED, "gets copies of the requests")

    def canary(self, run: PipelineRun) -> StepOutcome:
        """Let it answer a share of the requests, more and more, until it has held at the last step."""
        return self._led(run, self._parts.rollouts.canary, frozenset({"live"}), "answers all requests")

    def promote(self, run: PipelineRun) -> StepOutcome:
        """Move the alias; endpoints follow it again. Where its policy wants more by now, people are waited for anew."""
        version = run.challenger_version or ""
        if (overtaken := self._overtaken(run)) is not None:
            return overtaken
        standing = self._parts.approving.standing(run)
        if standing is not None and not standing.passes:
            text = f"Before {plain(run.model)}@{plain(run.alias)} moves: {'; '.join(standing.lacking)}."
            hint = Hint(f"mlops-desk approvals approve {run.id}", after=" (or reject) decides it.")
            waits = PipelineState.WAITING_FOR_APPROVAL
            return StepOutcome(run, StepEvidence(text, hint, version=version), StepState.RUNNING, waits)
        self._parts.set_alias(run.model, run.alias, version)
        for move in self._moves(run):
            if move.follows:
                self._parts.rollouts.promote(run, move.name)
        moves = tuple(self._parts.rollouts.moves(run))
        text = f"{plain(run.model)}@{plain(run.alias)} is version {plain(version)}.{_left(moves)}"
        return StepOutcome(run, StepEvidence(text, version=version, endpoints=moves))

    def back(self, run: PipelineRun) -> None:
        """Take the challenger out of all endpoints again."""
        for move in self._moves(run):
            if move.follows:
                self._parts.rollouts.back(run, move.name)

    def _overtaken(self, run: PipelineRun) -> StepOutcome | None:
        """Compare anew where somebody has moved the alias: the challenger was held against another version."""
        champion = self._parts.champion(run.model, run.alias)
        if champion.version in {run.champion_version, run.challenger_version}:
            return None
        self.back(run)
        text = (
            f"{plain(run.model)}@{plain(run.alias)} is version {plain(champion.version)} by now, and was "
            f"{plain(run.champion_version)} when the challenger was compared: the two are compared anew."
        )
        return StepOutcome(again_from(run, StepName.EVALUATE), StepEvidence(text), StepState.WAITING)

    def _moves(self, run: PipelineRun) -> Sequence[EndpointMove]:
        return self._parts.rollouts.moves(run)

    def _led(
        self, run: PipelineRun, lead: Callable[[PipelineRun, str], None], there: frozenset[str], what: str
    ) -> StepOutcome:
        """Lead each endpoint one stage on; the step is over when all are there, or one was lost."""
        following = [one for one in self._moves(run) if one.follows]
        if not following:
            text = f"No endpoint that answers requests follows {plain(run.model)}@{plain(run.alias)}."
            return StepOutcome(run, StepEvidence(text), StepState.SKIPPED)
        for move in following:
            if move.state not in there | _LOST:
                lead(run, move.name)
        moves = tuple(one for one in self._moves(run) if one.follows)
        lost = [one for one in moves if one.state in _LOST]
        if lost:
            self.back(run)
            text = f"The challenger did not hold on endpoint {lost[0].name}, and was taken back. {lost[0].text}".strip()
            return failed_outcome(run, text, ends_in=PipelineState.ROLLED_BACK, evidence=StepEvidence(endpoints=moves))
        waiting = [one for one in moves if one.state not in there]
        if waiting:
            text = f"The challenger is on its way. {' '.join(map(_stands, waiting))}"
            evidence = StepEvidence(text, _by_hand(waiting), endpoints=moves)
            return StepOutcome(run, evidence, StepState.RUNNING)
        if (overtaken := self._overtaken(run)) is not None:
            return overtaken
        text = f"The challenger {what} on {', '.join(one.name for one in moves)}."
        return StepOutcome(run, StepEvidence(text, endpoints=moves))


def _stands(move: EndpointMove) -> str:
    """Say of an endpoint that is on its way how far it is."""
    return f"Endpoint {move.name}: {move.text or 'it begins.'}"


def _by_hand(waiting: Sequence[EndpointMove]) -> Hint | None:
    """Return how a person goes on where nobody asks an endpoint, so that nothing will tell."""
    unknown = next((one for one in waiting if one.is_unknown), None)
    before = "It goes on once callers ask. To let it answer all the same: "
    return None if unknown is None else Hint(f"mlops-desk endpoints promote {unknown.name}", before=before)


def _left(moves: Sequence[EndpointMove]) -> str:
    """Name the endpoints that were not led, each with the reason."""
    left = [
        f" {one.name} serves version {plain(one.version or '?', 20)}. {one.text}" for one in moves if not one.follows
    ]
    return "".join(left)
