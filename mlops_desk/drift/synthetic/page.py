"""The report on made rows as a page that stands alone: no script, nothing fetched, every name escaped."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TypeVar

from mlops_desk.automation.records.pipelines.synthetic import ColumnFidelity, PairFidelity, SyntheticReport
from mlops_desk.drift.html_report.document import STYLE
from mlops_desk.kit.base.text import plain

_SHOWN_PAIRS = 200  # chosen: the worst ones; the JSON beside the page has all
_NAME = 80  # chosen: a cell of a table

Scored = TypeVar("Scored", ColumnFidelity, PairFidelity)


def page(report: SyntheticReport, title: str) -> str:
    """Return the page as HTML."""
    privacy = report.privacy
    told = [
        ("Rows that were learned from", f"{report.real_rows:,}"),
        ("Rows held back, which the maker never saw", f"{report.held_rows:,}"),
        ("Rows made", f"{report.made_rows:,}"),
        ("Quality (mean of the two below)", _number(report.quality)),
        ("Column shapes", _number(report.column_shapes)),
        ("Pair trends", _number(report.pair_trends)),
    ]
    near = [
        ("Copies of real rows", _percent(privacy.copies)),
        ("Copies among the rows held back, by chance", _percent(privacy.copies_by_chance)),
        ("New rows (none within 1 % of their numbers)", _percent(privacy.new_rows)),
        ("Median distance to the closest record (0-1)", _number(privacy.distance)),
        ("The same of the rows held back", _number(privacy.held_distance)),
        ("Made rows closer to what was learned from than to what was held back", _percent(privacy.closer)),
        ("Protection (1: no nearer than real rows that were held back)", _number(privacy.protection)),
    ]
    columns = [(one.column, one.measure, _number(one.score)) for one in _worst(report.columns)]
    pairs = [(one.first, one.second, one.measure, _number(one.score)) for one in _worst(report.pairs)[:_SHOWN_PAIRS]]
    notes = "".join(f"<p>{escape(plain(one, 500))}</p>" for one in report.notes)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(plain(title))}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{escape(plain(title))}</h1>{notes}"
        f"<h2>Fidelity</h2>{_table((), told)}<h2>Privacy</h2>{_table((), near)}"
        f"<h2>Columns, the least alike first</h2>{_table(('Column', 'Measure', 'Alike'), columns)}"
        f"<h2>Pairs of columns, the least alike first</h2>{_table(('Column', 'And', 'Measure', 'Alike'), pairs)}"
        "</main></body></html>\n"
    )


def _worst(found: Sequence[Scored]) -> list[Scored]:
    return sorted(found, key=lambda one: (one.score is None, one.score or 0.0))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    top = "".join(f"<th>{escape(one)}</th>" for one in head)
    body = "".join(
        "<tr>" + "".join(f'<td class="name">{escape(plain(one, _NAME))}</td>' for one in row) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2%}"
