"""A change as the audit tells it: in a line, and in full; and what came of looking at the whole chain."""

from mlops_desk.base.text import plain
from mlops_desk.records.agent import AuditEntry, AuditState
from mlops_desk.records.audit import AuditVerification
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.widgets.facts import Fact
from mlops_desk.ui.words import numbers
from mlops_desk.ui.words.numbers import Mark

_TEXT = 2000  # characters: a screen of what a thing was


def verified_words(found: AuditVerification) -> tuple[str, str]:
    """Say what came of looking at the chain, and in which tone."""
    records = numbers.count(found.records, "record")
    if found.intact:
        return f"{numbers.OK} {records}: none was changed, moved or taken away.", "ok"
    where = f"record {found.first_bad:,}" if found.first_bad is not None else f"entry {plain(found.entry or '?', 80)}"
    return f"{numbers.ALERT} {records}, and {where} does not hold: {plain(found.why or 'it was changed', 300)}", "alert"


def entry_facts(one: AuditEntry) -> list[Fact]:
    """Return all that is told of a change."""
    mark = _mark(one)
    facts = [
        Fact("What", plain(one.verb, 100)),
        Fact("By", f"{plain(one.user, 80)} (uid {one.uid})"),
        Fact("At", numbers.day_and_clock(one.at), tip=numbers.absolute(one.at)),
        Fact("Ended", mark.text, mark.token),
    ]
    for name, text in (("Given", one.arguments), ("Before", one.before), ("After", one.outcome),
                       ("Error", one.error), ("Why", one.why)):  # fmt: skip
        if text:
            facts.append(Fact(name, plain(text, _TEXT), "alert" if name == "Error" else "text"))
    return facts


def _mark(one: AuditEntry) -> Mark:
    if one.state is not AuditState.ENDED:
        return Mark("unknown", numbers.UNKNOWN, plain(one.state.value.replace("_", " "), 40))
    return Mark("alert", numbers.ALERT, "failed") if one.error else Mark("ok", numbers.OK, "done")


def _state(one: AuditEntry) -> Cell:
    mark = _mark(one)
    return Cell(mark.text, mark.word, mark.token)


COLUMNS: tuple[Column[AuditEntry], ...] = (
    Column("when", "When", lambda one: Cell(numbers.day_and_clock(one.at), one.at, tip=numbers.absolute(one.at))),
    Column("who", "By", lambda one: Cell(plain(one.user))),
    Column("what", "What", lambda one: Cell(plain(one.verb))),
    Column("given", "Given", lambda one: Cell(plain(one.arguments, 200)), stretch=True),
    Column("state", "Ended", _state),
)
