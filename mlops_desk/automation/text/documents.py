"""A rule as a sentence, and what it would have done: by how much of the history, when, and what held it back."""

from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.automation.records.dry_run import LookedAt, RuleCheck, RuleDryRun, WouldFire
from mlops_desk.automation.records.equivalence import alike_words
from mlops_desk.kit.base.text import percent, plain
from mlops_desk.kit.text.cells import facts, moment, step, table

_SHOWN = 40  # chosen: a screen of rows; --json has up to a thousand
_TEXT = 500  # chosen: three names of a rule
_THING = 60  # chosen: a UUID, and most names


def check(item: RuleCheck) -> str:
    return f"{item.sentence}\n\n{item.document.rstrip()}"


def dry_run(item: RuleDryRun) -> str:
    """Tell first what it would have done, then on what that rests."""
    told = {
        "rule": plain(item.name),
        "span": f"{moment(item.since)} to {moment(item.until)}",
        "would fire": "never" if not item.n_fired else f"{item.n_fired} times" if item.n_fired > 1 else "once",
    }
    if item.untold:
        told["no history"] = f"{'; '.join(plain(words, 400) for words in item.untold)}: counts as unknown"
    if not item.budget_reckoned:
        told["budget"] = "not reckoned: nobody knows what its jobs would have taken"
    parts = [plain(item.sentence, 4000), facts(told)]
    if item.alike:
        parts.append(plain(alike_words(item.alike), _TEXT))
    if item.would:
        parts.append(_times(item.would))
    if item.looked_at:
        parts.append(_looked_at(item.looked_at, item.until - item.since))
    return "\n\n".join(parts)


def _times(would: Sequence[WouldFire]) -> str:
    rows = [[moment(one.at), plain(one.subject, _THING) or "–", _became(one)] for one in would[-_SHOWN:]]
    shown = table(["WHEN", "FOR", "WHAT"], rows)
    left = len(would) - len(rows)
    return f"{shown}\n{left} earlier: --json has them" if left else shown


def _became(one: WouldFire) -> str:
    why = f" by {one.held_by}" if one.held_by else ""
    if one.waits:
        return f"held back{why}, and waits still"
    if not one.fired:
        return f"held back{why}, until it held no more"
    return f"fires, {step(one.waited_seconds)} late, held back{why}" if one.waited_seconds else "fires"


def _looked_at(looked: Sequence[LookedAt], span_seconds: float) -> str:
    rows = []
    for one in looked:
        share = percent(min(1.0, one.known_seconds / span_seconds))
        known = f"{share}, {step(one.known_seconds)}"
        rows.append([plain(one.metric), plain(one.device, _THING), known, step(one.step_seconds)])
    return table(["METRIC", "OF", "KNOWN", "STEP"], rows)


FORMS: dict[type, Callable[[Any], str]] = {RuleCheck: check, RuleDryRun: dry_run}
