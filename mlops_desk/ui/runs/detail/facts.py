"""What is said about a run beside its values. No Qt here."""

from mlops_desk.base.text import plain
from mlops_desk.records.model import DatasetInput, Run
from mlops_desk.ui.runs.asking import RunStory
from mlops_desk.ui.runs.cells import status_mark
from mlops_desk.ui.widgets.facts import Fact, moment_fact
from mlops_desk.ui.words import datasets, numbers

_TEXT = 200  # chosen: characters; the table below has the whole tag
_MOST_DATASETS = 5  # chosen: more are listed by the command line
NOTE, USER, SOURCE, COMMIT, PARENT = (
    "mlflow.note.content", "mlflow.user", "mlflow.source.name", "mlflow.source.git.commit", "mlflow.parentRunId",
)  # fmt: skip
"""Tags by which MLflow says what people ask first."""


def facts_of(story: RunStory, experiment: str | None) -> list[Fact]:
    """Return the facts about a run."""
    run = story.run
    mark = status_mark(run.status)
    told = [(title, run.tags.get(tag)) for title, tag in (("About", NOTE), ("By", USER), ("Program", SOURCE))]
    commit = run.tags.get(COMMIT)
    return [
        Fact("State", mark.text, mark.token),
        moment_fact("Started", _seconds(run.start_time)),
        *([Fact("Ran", numbers.duration(length))] if (length := _length(run)) is not None else []),
        *([Fact("Experiment", plain(experiment, _TEXT))] if experiment else []),
        *(Fact(title, plain(text, _TEXT), tip=text) for title, text in told if text),
        *([Fact("Commit", plain(commit, 12), fixed=True, tip=commit)] if commit else []),
        Fact("ID", run.run_id, fixed=True),
        *map(_dataset, story.datasets[:_MOST_DATASETS]),
        *([Fact("Data", f"and {n_more:,} more")] if (n_more := len(story.datasets) - _MOST_DATASETS) > 0 else []),
        *([Fact("Not told", story.untold, tone="warning")] if story.untold else []),
    ]


def _dataset(one: DatasetInput) -> Fact:
    about = f" ({plain(one.context, 40)})" if one.context else ""
    return Fact("Data", f"{plain(one.name, _TEXT)}{about}", tip=f"digest {one.digest}\n{datasets.place(one)}")


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _length(run: Run) -> float | None:
    """Return how long a run took; None while it goes on, or where nobody wrote it down."""
    if run.start_time is None or run.end_time is None:
        return None
    return (run.end_time - run.start_time) / 1000
