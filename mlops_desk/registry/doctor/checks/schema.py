"""Which release of MLflow made a store's tables, told by the revisions that the installed one knows.

The revisions are read from the files that they stand in: loading MLflow for them takes seconds.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from mlops_desk.kit.base.text import plain
from mlops_desk.registry.doctor.checks.findings import advice, fine, trouble, unknown
from mlops_desk.registry.records.doctor import StoreFinding

_REVISION = re.compile(r"^(down_)?revision = [\"']([0-9a-f]+)[\"']", re.MULTILINE)
_TITLE = "Schema"


@dataclass(frozen=True, slots=True)
class Known:
    """The revisions that the installed MLflow knows, and the newest of them."""

    release: str
    revisions: frozenset[str]
    newest: str | None


def known() -> Known | None:
    """Return what the installed MLflow knows; None where it can't be told."""
    spec = find_spec("mlflow")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    if not folders:
        return None
    try:
        release = version("mlflow-skinny")
    except PackageNotFoundError:
        release = "?"
    texts = [file.read_text(encoding="utf-8") for file in _files(Path(folders[0]))]
    return gathered(release, texts)


def _files(package: Path) -> Iterable[Path]:
    return (package / "store" / "db_migrations" / "versions").glob("*.py")


def gathered(release: str, texts: Iterable[str]) -> Known:
    """Gather the revisions from the texts of migrations; the newest is the one that none follows."""
    made: set[str] = set()
    followed: set[str] = set()
    for text in texts:
        for down, revision in _REVISION.findall(text):
            (followed if down else made).add(revision)
    last = made - followed
    return Known(release, frozenset(made), last.pop() if len(last) == 1 else None)


def judged(found: list[str], installed: Known | None, *, is_ours: bool) -> StoreFinding:
    """Say what the revisions that stand in a store mean."""
    if len(found) != 1:
        text = f"The store names {len(found)} revisions where there must be one: a migration did not come to its end."
        return trouble("schema", _TITLE, f"{text} Bring back the copy that was made before it, then migrate again.")
    revision = plain(found[0], 40)
    if installed is None or installed.newest is None:
        return unknown("schema", _TITLE, f"Revision {revision}; the installed MLflow's own is not known.")
    if found[0] == installed.newest:
        return fine("schema", _TITLE, f"Revision {revision}, that of MLflow {installed.release}.")
    if found[0] not in installed.revisions:
        text = f"Revision {revision} is newer than MLflow {installed.release} knows, or of another program."
        return advice("schema", _TITLE, f"{text} It is read as far as its tables allow, and nothing is mended blindly.")
    text = f"Revision {revision} is older than that of MLflow {installed.release}."
    if is_ours:
        return advice("schema", _TITLE, f"{text} The desk's server brings it up to date when it starts next.")
    whose = "The store is not the desk's, so it is not upgraded here"
    return advice(
        "schema", _TITLE, f"{text} {whose}: whoever runs its server does, with mlflow db upgrade, after a copy."
    )
