"""Looks a database over: each check by itself, so that one that can't be made says so and the others are told."""

from collections.abc import Callable, Iterator
from pathlib import Path

from mlops_desk.base.errors import DeskError
from mlops_desk.records.registry.doctor import ExperimentSize, StoreFinding, StoreReport
from mlops_desk.registry.doctor.checks import (
    deleted,
    experiments,
    indexes,
    integrity,
    journal,
    orphans,
    room,
    schema,
    statistics,
)
from mlops_desk.registry.doctor.checks.findings import unknown
from mlops_desk.registry.doctor.database import Rows
from mlops_desk.registry.doctor.quiet import QuietStore, UnfinishedStore, quiet

Found = StoreFinding | list[StoreFinding]


def file_report(path: Path, shown: str, *, is_ours: bool) -> StoreReport:
    """Look over an SQLite store. Raises DeskErrors where nothing of it can be read."""
    kind = "own" if is_ours else "sqlite"
    size = path.stat().st_size
    try:
        with quiet(path) as store:
            version = _revisions(store)
            findings = tuple(_each({**_of_file(store, path), **_of_any(store, shown, version, is_ours=is_ours)}))
            return StoreReport(shown, kind, _one(version), is_ours, size, findings, _experiments(store))
    except UnfinishedStore as error:
        return StoreReport(shown, kind, None, is_ours, size, (journal.unfinished(error.message),))


def server_report(store: Rows, shown: str, size: int | None) -> StoreReport:
    """Look over a store in PostgreSQL. Raises DeskErrors where nothing of it can be read."""
    version = _revisions(store)
    counted = {statistics.CHECK: lambda: statistics.of_server(store)}
    findings = tuple(_each({**counted, **_of_any(store, shown, version, is_ours=False)}))
    return StoreReport(shown, "database", _one(version), False, size, findings, _experiments(store))


def _one(version: list[str]) -> str | None:
    return version[0] if len(version) == 1 else None


def _of_file(store: QuietStore, path: Path) -> dict[str, Callable[[], Found]]:
    """Return what only a store in a file has: in the order in which it is told."""
    mode = str(store.value("PRAGMA journal_mode"))
    held = journal.holders(path)
    pages = room.pages_of(store)
    return {
        statistics.CHECK: lambda: statistics.of_file(store),
        journal.CHECK: lambda: journal.look(path, mode, held),
        room.SIZE: lambda: room.look(path, pages),
        integrity.CHECK: lambda: integrity.look(path, mode),
    }


def _of_any(store: Rows, shown: str, version: list[str], *, is_ours: bool) -> dict[str, Callable[[], Found]]:
    return {
        indexes.CHECK: lambda: indexes.look(store),
        "schema": lambda: schema.judged(version, schema.known(), is_ours=is_ours),
        deleted.CHECK: lambda: deleted.look(store, shown, is_ours=is_ours),
        orphans.CHECK: lambda: orphans.look(store),
    }


def _revisions(store: Rows) -> list[str]:
    return [str(row[0]) for row in store.rows("SELECT version_num FROM alembic_version")]


def _experiments(store: Rows) -> tuple[ExperimentSize, ...]:
    """Measure the experiments; where a table lacks, or time, there are none to tell."""
    try:
        return tuple(experiments.measured(store))
    except DeskError:
        return ()


def _each(checks: dict[str, Callable[[], Found]]) -> Iterator[StoreFinding]:
    for name, check in checks.items():
        try:
            found = check()
        except DeskError as error:
            yield unknown(name, name.replace("_", " ").capitalize(), error.message)
            continue
        yield from found if isinstance(found, list) else [found]
