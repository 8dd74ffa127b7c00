"""Is the challenger better? One metric decides; a value that is missing or not finite is never better. Pure."""

import math
from dataclasses import dataclass

from mlops_desk.base.text import plain
from mlops_desk.records.rule import Rule


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer and the sentence that explains it."""

    better: bool
    text: str


def decide(rule: Rule, champion: float | None, challenger: float | None) -> Decision:
    """Compare two values of the rule's metric in its direction; equal is not better."""
    metric = plain(rule.metric)
    if champion is None or challenger is None:
        who = "champion" if champion is None else "challenger"
        return Decision(better=False, text=f"The {who}'s run has no metric {metric}, so nothing is proposed.")
    if not (math.isfinite(champion) and math.isfinite(challenger)):
        values = f"champion {champion:g}, challenger {challenger:g}"
        return Decision(better=False, text=f"{metric} is no number to compare ({values}), so nothing is proposed.")
    better = challenger > champion if rule.higher_is_better else challenger < champion
    word = "higher" if rule.higher_is_better else "lower"
    verdict = "better" if better else "not better"
    text = f"{metric}: champion {champion:.6g}, challenger {challenger:.6g}; {word} is better, so it is {verdict}."
    return Decision(better, text)
