"""What a retention takes and what is taken out of logs: shown before, and what became of it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from shlex import quote
from typing import Any

from mlops_desk.governance.records.data.redaction import (
    Redaction,
    RedactionPreview,
    RedactionWay,
    RewriteDone,
    RewritePlan,
)
from mlops_desk.governance.records.data.retention import RetentionDone, RetentionPlan
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import ago, facts, size, table

_SHOWN = 40  # chosen: files on one screen; --json has all
_TEXT = 400  # chosen: five lines of a terminal


def plan(item: RetentionPlan) -> str:
    """Return what would go, what stays all the same, and how to have it done."""
    days = "as each data set says" if item.days is None else f"{item.days:g} days"
    told = {"kept for": days, "would go": f"{item.files:,} files, {size(item.size_bytes)}"}
    if item.unset:
        told["no retention"] = plain(", ".join(item.unset), _TEXT)
    if item.files and not item.missing:
        told["do it"] = f"mlops-desk data retain {item.token}" + ("" if item.days is None else f" --days {item.days:g}")
    parts = [facts(told)]
    if item.items:
        rows = [
            [plain(one.dataset), _day(one.ends), size(one.size_bytes), plain(one.path, _TEXT)] for one in item.items
        ]
        parts.append(table(["DATA SET", "UNTIL", "SIZE", "FILE"], rows[:_SHOWN]))
    if len(item.items) > _SHOWN:
        parts.append(f"And {len(item.items) - _SHOWN:,} more: --json has all.")
    if item.held:
        held = [[plain(one.dataset), str(one.files), size(one.size_bytes), plain(one.why, _TEXT)] for one in item.held]
        parts.append(table(["STAYS", "FILES", "SIZE", "WHY"], held))
    parts += [f"{plain(text, _TEXT)} Nothing is deleted until it can be." for text in item.missing]
    return "\n\n".join(parts)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def done(item: RetentionDone) -> str:
    told = f"Deleted: {item.files:,} files, {size(item.size_bytes)}."
    left = [[plain(one.path), plain(one.why, _TEXT)] for one in item.left]
    return told + (f"\n\n{table(['LEFT', 'WHY'], left)}" if left else "")


def redaction(item: Redaction) -> str:
    """Return the rules of a log, since when, and who looks at what is logged."""
    told = {
        "endpoint": plain(item.endpoint),
        "rules": _ways(item.columns),
        "since": "–" if item.since is None else f"{ago(item.since)}; rows before are as they were logged",
        "watched by": plain(", ".join(item.watched_by) or "no monitor", _TEXT),
    }
    if item.is_in_force is False:
        told["note"] = "The gateway does not go by them yet; it will as soon as it answers."
    if item.columns:
        told["before"] = f"mlops-desk data rewriting {quote(plain(item.endpoint))} shows what was logged before them"
    return facts(told)


def _ways(columns: Mapping[str, RedactionWay]) -> str:
    return plain(", ".join(f"{name}={way}" for name, way in columns.items()) or "none", _TEXT)


def preview(item: RedactionPreview) -> str:
    parts = [facts({"rules": _ways(item.columns), "rows": f"{item.rows:,} of the newest"})]
    if item.values:
        rows = [
            [plain(one.request_id, 40), str(one.row), plain(one.column), one.before, _after(one.after)]
            for one in item.values
        ]
        parts.append(table(["REQUEST", "ROW", "COLUMN", "IS", "WOULD BE"], rows))
    if item.untouched:
        parts.append(f"None of these rows has {plain(', '.join(item.untouched), _TEXT)}.")
    if item.hints:
        rows = [
            [
                plain(one.column),
                one.what,
                one.found_by,
                "has a rule" if one.is_covered else f"--column {plain(one.column)}={one.way}",
            ]
            for one in item.hints
        ]
        parts.append(table(["MAY HOLD", "WHAT", "FOUND BY", "RULE"], rows))
    return "\n\n".join(parts)


def _after(text: str | None) -> str:
    return "(not logged)" if text is None else text


def rewriting(item: RewritePlan) -> str:
    counts = ", ".join(f"{name}: {number:,}" for name, number in item.values.items())
    told = {
        "endpoint": plain(item.endpoint),
        "before the rules": f"{item.files:,} files with {item.rows:,} rows, {size(item.size_bytes)}",
        "values": plain(counts or "none", _TEXT),
    }
    if item.sketches:
        told["monitors"] = f"{plain(', '.join(item.sketches), _TEXT)}: windows made of such rows keep counts of them"
    if item.files:
        told["do it"] = f"mlops-desk data rewrite {quote(plain(item.endpoint))} {item.token}; there is no way back"
    return facts(told)


def rewritten(item: RewriteDone) -> str:
    told = f"Rewritten: {item.files:,} files with {item.rows:,} rows."
    return "\n".join([told, *(f"Left: {plain(one, _TEXT)}" for one in item.left)])


FORMS: dict[type, Callable[[Any], str]] = {
    RetentionPlan: plan,
    RetentionDone: done,
    Redaction: redaction,
    RedactionPreview: preview,
    RewritePlan: rewriting,
    RewriteDone: rewritten,
}
