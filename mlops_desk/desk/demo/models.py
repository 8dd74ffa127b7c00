"""What the demo's registry holds: models whose versions got better over weeks, their data, and where champions went.

Each version has the metrics, parameters, data, author and tags that a real training logs, so that pages have what they
show of real ones; the champion of each went from version to version as they came.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.desk.demo import artifacts, data, seed_records, sweeps
from mlops_desk.registry.default_registry import OWN
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.records.alias_move import AliasMove, JournalEntry
from mlops_desk.registry.records.model import DatasetInput, Run

_HOUR_SECONDS = 3600.0  # chosen: so long a training takes, and its version waits for a champion to be made of it
_PEOPLE = ("amara", "jonas", "maria")


@dataclass(frozen=True, slots=True)
class _About:
    """What is told of a model beside its numbers: its team, what it is for, its data, a second metric."""

    team: str
    text: str
    dataset: str
    second: str


_ABOUT = {
    "churn": _About("crm", "Who leaves within 90 days. Gradient boosting on accounts.", "accounts", "precision"),
    "resnet50": _About("vision", "Defects on the line, six classes.", "line-images", "f1_macro"),
    "mistral-support": _About("support", "Drafts of answers, tuned with LoRA.", "tickets", "bleu"),
}


def filled(files: Path, now: float) -> FakeRegistry:
    """Return the registry as it was when the demo began; artifacts are written below ``files``."""
    registry = FakeRegistry(files)
    sweeps.fill(registry, now)
    for name, experiment, metric, count, champion in data.MODELS:
        about = _ABOUT[name]
        for version in range(1, count + 1):
            at = seed_records.trained_at(now, version, count)
            run = _run(name, experiment, metric, version, at)
            registry.add_run(experiment, run)
            registry.add_dataset(run.run_id, _dataset(about, version))
            artifacts.write(files, run)
            registry.add_version(name, run.run_id, f"models:/{data.model_id(run.run_id)}", created_at=at)
        registry.describe_model(name, None, about.text)
        registry.tag_model(name, None, "team", about.team)
        registry.set_alias(name, "champion", str(champion))
        if champion < count:
            registry.set_alias(name, "challenger", str(count))
    return registry


def _run(name: str, experiment: str, metric: str, version: int, at: float) -> Run:
    value = data.metric_of(name, version)
    chance = data.generator(version + len(name))
    second = min(value - 0.03 + float(chance.normal(0, 0.01)), 0.99)
    return Run(
        run_id=data.run_id(name, version),
        name=f"{experiment}-{version}",
        status="FINISHED",
        start_time=int((at - _HOUR_SECONDS) * 1000),
        metrics={metric: value, _ABOUT[name].second: round(second, 4), "loss": round(0.9 / (version + 0.6), 4)},
        params={"lr": str(10 ** -(2 + version % 3)), "epochs": str(10 * version), "seed": "20"},
        tags={"mlflow.user": _PEOPLE[version % len(_PEOPLE)], "team": _ABOUT[name].team},
        end_time=int(at * 1000),
    )


def _dataset(about: _About, version: int) -> DatasetInput:
    """Return the data of a training; they were made anew for every second one."""
    digest = f"{(version // 2 + 1) * 0x9F2C11AA & 0xFFFFFFFF:08x}"
    source = f"/data/{about.dataset}/train.parquet"
    return DatasetInput(f"{about.dataset}-train", digest, "training", "local", source)


def moves(now: float) -> Iterator[JournalEntry]:
    """Yield how the champions went from version to version: each an hour after it was trained."""
    made = []
    for name, _, _, count, champion in data.MODELS:
        for version in range(1, champion + 1):
            at = seed_records.trained_at(now, version, count) + _HOUR_SECONDS
            before = str(version - 1) if version > 1 else None
            who = _PEOPLE[version % len(_PEOPLE)]
            made.append(AliasMove(name, "champion", at, before, str(version), who, registry=OWN))
        if champion < count:
            at = seed_records.trained_at(now, count, count) + _HOUR_SECONDS
            made.append(AliasMove(name, "challenger", at, None, str(count), _PEOPLE[0], registry=OWN))
    for order, move in enumerate(sorted(made, key=lambda one: one.at), start=1):
        yield JournalEntry(order, move)
