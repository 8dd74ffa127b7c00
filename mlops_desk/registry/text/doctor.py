"""What is wrong with a store, what mends it, and how much its experiments take."""

from collections.abc import Callable
from typing import Any

from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import duration_text, plain, size_text
from mlops_desk.kit.text.cells import facts, table
from mlops_desk.registry.records.doctor import FindingState, StoreFinding, StoreFixed, StoreReport

_SHOWN = 20  # chosen: the largest experiments; --json has all
_MARKS = {
    FindingState.OK: "ok",
    FindingState.ADVICE: "advice",
    FindingState.TROUBLE: "TROUBLE",
    FindingState.UNKNOWN: "not known",
}
_LONGEST = 2000  # chosen: what a finding says is never cut in the midst of a command


def report(item: StoreReport) -> str:
    """Return what was found, the fixes after it, and the experiments that take most."""
    head = facts({
        "store": plain(item.uri, 400) + (" (the desk's own)" if item.is_ours else ""),
        "size": "–" if item.size_bytes is None else size_text(item.size_bytes),
        "schema": item.schema or "–",
    })  # fmt: skip
    findings = "\n".join(map(_finding, item.findings))
    parts = [head, findings]
    if item.experiments:
        heads = ["EXPERIMENT", "RUNS", "DELETED", "POINTS", "FILES"]
        rows = [
            [
                one.name,
                f"{one.n_runs:,}",
                f"{one.n_deleted_runs:,}",
                f"{one.n_metric_points:,}",
                _size(one.artifact_bytes),
            ]
            for one in item.experiments[:_SHOWN]
        ]
        more = len(item.experiments) - _SHOWN
        parts.append(table(heads, rows) + (f"\n… and {more} more" if more > 0 else ""))
    return "\n\n".join(parts)


def _finding(one: StoreFinding) -> str:
    text = f"{_MARKS[one.state]:9}  {plain(one.title)}: {plain(one.text, _LONGEST)}"
    if one.fix is None:
        return text
    effect = f"\n{'':11}{plain(one.effect, _LONGEST)}" if one.effect else ""
    return f"{text}\n{'':11}{Hint(f'mlops-desk registry fix {one.fix}', before='mends it: ')}{effect}"


def _size(size_bytes: int | None) -> str:
    return "–" if size_bytes is None else size_text(size_bytes)


def fixed(item: StoreFixed) -> str:
    copy = f"\nAs it was before: {plain(item.backup, 400)}" if item.backup else ""
    return f"{plain(item.text, _LONGEST)} ({duration_text(item.seconds)}){copy}"


FORMS: dict[type, Callable[[Any], str]] = {StoreReport: report, StoreFixed: fixed}
