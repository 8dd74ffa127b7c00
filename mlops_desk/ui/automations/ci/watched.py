"""The repositories that rules watch: asked for when they are seen, as no event tells of a look that found nothing."""

from collections.abc import Callable

from mlops_desk.records.ci.watched import WatchedRepository
from mlops_desk.ui.automations.ci.columns import WATCHED
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.parts.asked import AskedView
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.states import Empty

_NOTHING = (
    "A rule that waits for a push and runs what is pushed watches a repository: it will be here with its newest commit "
    "and run. What is run says the repository itself, in its mlops-desk.yaml."
)
_BEGIN = """apiVersion: mlops-desk/v1
kind: Rule
name: run-what-is-pushed
when:
  push: /srv/git/churn.git
  ref: main
then:
- ci: mlops-desk.yaml
"""


class WatchedView(AskedView[list[WatchedRepository]]):
    """One row for each part of a rule that waits for a push; ``make_rule`` opens the form with a document."""

    def __init__(self, context: Context, make_rule: Callable[[str], None]) -> None:
        super().__init__(context, "Watched repositories", lambda desk: desk.ci.watched())
        self._make_rule = make_rule
        self.table: RecordTable[WatchedRepository] = RecordTable("Watched repositories", WATCHED, context.memory)
        self.table.activated.connect(lambda _index: self.open_rule())
        self.content.addWidget(self.table, 1)

    def take(self, value: list[WatchedRepository]) -> None:
        self.table.show_records({f"{one.rule} {one.repository} {one.ref}": one for one in value})
        if self.table.key() is None:
            self.table.select_first()

    def nothing(self, value: list[WatchedRepository]) -> Empty | None:
        if value:
            return None
        return Empty("No repository is watched", _NOTHING, "New rule …", lambda: self._make_rule(_BEGIN))

    def chosen(self) -> WatchedRepository | None:
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def open_rule(self) -> None:
        """Go to the rule that watches."""
        one = self.chosen()
        if one is not None:
            self.context.open_page("automations", f"rule:{one.rule}")

    def open_run(self) -> None:
        """Go to the newest run of the repository."""
        one = self.chosen()
        if one is not None and one.run_id is not None:
            self.context.open_page("automations", f"ci:{one.run_id}")
