"""Rules, pipelines and what waits for a person's word, as the frame sees them."""

from collections.abc import Iterator

from mlops_desk.automation.window import loads
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.feature import Badge, Feature, OfferedAct, go, later
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store
from mlops_desk.kit.window.widgets.lines import Line
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import Mark

_OFFERED = 50  # chosen: the palette is for what happened lately


def _mark(store: Store) -> Mark | None:
    waiting = len(loads.approvals(store))
    if not waiting:
        return None
    return Mark("warning", f"{numbers.WARNING} {waiting}", f"{numbers.count(waiting, 'approval')} waiting")


def _things(context: Context) -> Iterator[Action]:
    store = context.store
    for one in loads.approvals(store).values():
        yield go(context, "automations", f"approval:{one.id}", f"Approve? {plain(one.what, 120)}", one.rule)
    for name in loads.rules(store):
        yield go(context, "automations", f"rule:{name}", f"Rule {plain(name)}")
    for key, seen in [*loads.pipelines(store).items()][:_OFFERED]:
        title = f"Pipeline of {plain(seen.brief.model)}, {numbers.ago(seen.brief.created_at)}"
        yield go(context, "automations", f"pipeline:{key}", title, seen.brief.rule)


def _wrong_now(store: Store) -> Iterator[Line]:
    """Yield what waits for a person; challengers have a line of the drift page's already."""
    for one in loads.approvals(store).values():
        if one.comparison is None:
            yield Line(
                Mark("warning", numbers.WARNING, "approve?"),
                f"{plain(one.rule)}: {plain(one.what, 200)}",
                numbers.ago(one.asked_at),
                f"automations/approval:{one.id}",
            )


FEATURE = Feature(
    later("mlops_desk.automation.window.page", "AutomationsPage"),
    loads=loads.LOADS,
    badge=Badge(frozenset({loads.APPROVALS}), _mark),
    things=_things,
    wrong_now=_wrong_now,
    shows={
        "rule": lambda _store, key: f"rule:{key}",
        "firing": lambda _store, key: f"approval:{key}",
        "ci": lambda _store, key: f"ci:{key}",
    },
    offers=(
        OfferedAct("automations.new", "New rule …", "automation trigger when then"),
        OfferedAct("automations.pause", "Pause or resume the chosen rule", "hold continue"),
        OfferedAct("automations.fire", "Fire the chosen rule now …", "run trigger"),
        OfferedAct("automations.edit", "Edit the chosen rule …", "change"),
        OfferedAct("automations.remove", "Remove the chosen rule …", "delete"),
        OfferedAct("automations.dry", "Try the chosen rule on 30 days", "dry run simulate test"),
        OfferedAct("automations.tab.rules", "Show rules of automations"),
        OfferedAct("automations.tab.pipelines", "Show pipelines of automations"),
        OfferedAct("automations.tab.ci", "Show repositories of automations"),
        OfferedAct("automations.tab.approvals", "Show approvals of automations"),
        OfferedAct("automations.tab.labels", "Show labels of automations"),
    ),
)
