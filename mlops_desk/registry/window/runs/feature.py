"""Runs, as the frame sees them."""

from collections.abc import Iterator, Sequence

from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.feature import Feature, OfferedAct, as_it_is, go, later
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Loaded, Store, Topic
from mlops_desk.machine.records import event as events

EXPERIMENTS = Topic("experiments")
REGISTRY_OF_RUNS = Topic("registry_of_runs")
"""Which registry's runs are seen: its value is a name that every --uri takes, None for the desk's own."""
COMPARED = "compare-"
"""What stands before several ids, with commas between them, in the place of a run's: no id of MLflow's has a dash."""
SEEN = Topic("seen_runs")
"""Runs that were in the table lately, by id, with their names: what the palette can go to."""


def _ask_experiments(desk: ClientLike, store: Store) -> object:
    return tuple(desk.runs.experiments(uri=store.part(REGISTRY_OF_RUNS).value))


def _runs_changed(_store: Store, _event: events.RegistryChanged) -> bool:
    """Tell the page, which asks anew for the rows that it shows: the event says only that some changed."""
    return True


def _things(context: Context) -> Iterator[Action]:
    for run_id, name in (context.store.part(SEEN).value or {}).items():
        yield go(context, "runs", run_id, f"Run {name}", run_id)


def _show(context: Context, run_id: str, uri: str | None = None) -> None:
    """Show a run, of another registry than the one that is seen where ``uri`` names one."""
    context.open_page("runs", run_id if uri is None else f"{uri}/run-{run_id}")


def _compare(context: Context, run_ids: Sequence[str], uri: str | None = None) -> None:
    """Tick runs, and show in what they differ."""
    _show(context, f"{COMPARED}{','.join(run_ids)}", uri)


FEATURE = Feature(
    later("mlops_desk.registry.window.runs.page", "AllRunsPage"),
    loads=(Loaded(EXPERIMENTS, _ask_experiments, {events.RegistryChanged: _runs_changed}),),
    things=_things,
    shows={"run": as_it_is},
    acts={"runs.show": _show, "runs.compare": _compare},
    offers=(
        OfferedAct("runs.columns", "Choose columns …", "show hide metrics"),
        OfferedAct("runs.column", "Sort or change the column of the cursor …", "order"),
        OfferedAct("runs.group", "Group the runs …", "by parameter"),
        OfferedAct("runs.ungroup", "Show the runs one by one"),
        OfferedAct("runs.save_view", "Save this view …", "filter"),
        OfferedAct("runs.untick", "Take all ticks away", "clear selection"),
        OfferedAct("runs.export", "Save the table as CSV …", "download"),
        OfferedAct("runs.tag", "Tag the run …", "label"),
        OfferedAct("runs.describe", "Describe the run …", "note text"),
        OfferedAct("runs.delete", "Delete the run …", "remove"),
    ),
)
