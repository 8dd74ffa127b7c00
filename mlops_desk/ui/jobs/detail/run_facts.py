"""What is told of a run beside its curves: how it stands, what it was given, its tags, and what it has left."""

from mlops_desk.base.text import plain
from mlops_desk.records.model import Artifact, DatasetInput, Run
from mlops_desk.ui.jobs.detail.run_look import RunLook
from mlops_desk.ui.widgets.facts import Fact, moment_fact
from mlops_desk.ui.words import datasets, numbers

_TEXT = 200  # chosen: characters of a tag; the command line has all of it
_MOST_TAGS, _MOST_FILES = 40, 40  # chosen: as one scrolls through
_OURS = "mlflow."
"""Begins the names of tags that MLflow keeps for itself."""


def facts_of(found: RunLook) -> list[Fact]:
    """Return the facts about a run."""
    run = found.run
    return [
        Fact("Name", run.name or numbers.NOTHING),
        Fact("Status", run.status.lower()),
        moment_fact("Began", _seconds(run.start_time)),
        *([moment_fact("Ended", _seconds(run.end_time))] if run.end_time else []),
        Fact("Id", run.run_id, fixed=True),
        *([Fact("Not told", found.untold, tone="warning")] if found.untold else []),
        *map(_dataset, found.datasets),
        *_artifacts(found.artifacts),
        *_tags(run),
    ]


def _dataset(one: DatasetInput) -> Fact:
    about = f" ({plain(one.context, _TEXT)})" if one.context else ""
    return Fact("Dataset", f"{plain(one.name, _TEXT)}{about}", tip=f"{one.digest} {datasets.place(one)}")


def _artifacts(found: tuple[Artifact, ...]) -> list[Fact]:
    if not found:
        return []
    lines = [
        f"{plain(one.path, _TEXT)}/" if one.is_folder else f"{plain(one.path, _TEXT)}  {numbers.size(one.size_bytes)}"
        for one in found[:_MOST_FILES]
    ]
    more = len(found) - _MOST_FILES
    return [Fact("Artifacts", "\n".join([*lines, *([f"and {more:,} more"] if more > 0 else [])]), fixed=True)]


def _tags(run: Run) -> list[Fact]:
    told = sorted((name, text) for name, text in run.tags.items() if not name.startswith(_OURS))
    shown = [Fact(plain(name, _TEXT), plain(text, _TEXT)) for name, text in told[:_MOST_TAGS]]
    more = len(told) - _MOST_TAGS
    return [*shown, *([Fact("More tags", f"{more:,}")] if more > 0 else [])]


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
