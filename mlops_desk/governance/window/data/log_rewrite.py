"""What was logged before the rules of its endpoint: shown with its count, and rewritten once somebody has agreed."""

from collections.abc import Callable

from PySide6.QtWidgets import QWidget

from mlops_desk.governance.records.data.redaction import Redaction, RewriteDone, RewritePlan
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.words import numbers

_NAMED = 12  # chosen: columns that a question still lists


class Rewriting:
    """``say`` is told how far it is, ``done`` that rows were rewritten."""

    def __init__(
        self, parent: QWidget, context: Context, say: Callable[[str, str], None], done: Callable[[], None]
    ) -> None:
        self._parent, self._context = parent, context
        self._say, self._done = say, done
        self._rules = ""

    def offer(self, rules: Redaction) -> None:
        """Say how the rules stand, and ask about what was logged before them."""
        endpoint = rules.endpoint
        self._rules = rules_words(rules)
        self._say(self._rules, "text" if rules.is_in_force is not False else "warning")
        if rules.columns:
            self._context.ask("rewriting", lambda desk: desk.data.rewriting(endpoint), self._planned, self._failed)

    def _planned(self, plan: RewritePlan) -> None:
        if not plan.files:
            self._say(f"{self._rules} Nothing that is logged was written before them.", "ok")
            return
        act = f"Rewrite {numbers.count(plan.rows, 'row')}"
        ask(self._parent, "Rewrite what is logged already?", plan_words(plan), act, lambda: self._rewrite(plan))

    def _rewrite(self, plan: RewritePlan) -> None:
        self._say(f"Rewriting {numbers.count(plan.rows, 'row')} of {plain(plan.endpoint, 80)} …", "muted")
        self._context.ask(
            "rewrite", lambda desk: desk.data.rewrite(plan.endpoint, plan.token), self._rewritten, self._failed
        )

    def _rewritten(self, done: RewriteDone) -> None:
        left = "".join(f" It could not be done with {plain(one, 160)}." for one in done.left[:_NAMED])
        told = f"{numbers.count(done.rows, 'row')} in {numbers.count(done.files, 'file')} are rewritten."
        self._say(f"{numbers.WARNING if left else numbers.OK} {told}{left}", "warning" if left else "ok")
        self._done()

    def _failed(self, error: DeskError) -> None:
        self._say(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip(), "alert")


def rules_words(rules: Redaction) -> str:
    """Say how many columns have rules, and whether the gateway goes by them."""
    if not rules.columns:
        return f"Requests of {plain(rules.endpoint, 80)} are logged as they are: no column has a rule."
    columns = numbers.count(len(rules.columns), "column")
    told = f"{columns} of {plain(rules.endpoint, 80)} {'has a rule' if len(rules.columns) == 1 else 'have rules'}"
    if rules.is_in_force is False:
        return f"{numbers.WARNING} {told}, and the gateway does not go by them yet: it will when it is back."
    return f"{told}."


def plan_words(plan: RewritePlan) -> str:
    """Say what a rewriting takes out, how much of it there is, and what keeps traces of it all the same."""
    values = [f"{plain(name, 60)} ({numbers.count(count, 'value')})" for name, count in plan.values.items()]
    more = f" and {len(values) - _NAMED} more columns" if len(values) > _NAMED else ""
    rows, files = numbers.count(plan.rows, "row"), numbers.count(plan.files, "file")
    parts = [
        f"{rows} in {files} with {numbers.size(plan.size_bytes)} were logged before these rules, labels among them.",
        f"Taken out of them: {', '.join(values[:_NAMED])}{more}." if values else "",
        f"Monitors {plain(', '.join(plan.sketches), 200)} keep counts and common values of such rows in the windows "
        "that they have judged; these stay." if plan.sketches else "",
        "Exactly these files are rewritten. What is taken out can't be brought back, by nobody.",
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)
