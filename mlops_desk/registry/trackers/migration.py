"""Takes a folder of runs (mlruns) into a store of its own, by MLflow's own means; the folder is left as it is.

The store is written beside its place and gets its name once it is whole, so that nobody opens half of one.
"""

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Hint, Refused, Unavailable
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.records.transfer import MigratedFolder

_WORKER = "mlops_desk.registry.mlflow.migration_worker"
MIGRATION_SECONDS = 1800.0
"""Chosen: 20 files for each run, at a thousand files in a second on a cold disk, are 20 s for a thousand runs."""
_STORE = "mlflow.db"

Work = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class FolderMigration:
    """``source`` tells what an address or kept name means; ``moved`` lets names that meant a folder mean a store.

    ``work`` asks the worker; it raises DeskErrors.
    """

    def __init__(
        self,
        source: Callable[[str | None], RegistrySource],
        moved: Callable[[Path, str], tuple[str, ...]],
        environment: Mapping[str, str],
        work: Work | None = None,
    ) -> None:
        self._source = source
        self._moved = moved
        self._environment = environment
        self._work = work or self._worked

    def migrate(self, uri: str, file: str | None) -> MigratedFolder:
        """Copy a folder of runs into a new store. Raises Refused where it is none or the store is there, and others."""
        source = self._source(uri)
        if source.kind is not TrackerKind.FOLDER or source.path is None:
            text = f"{source.shown} is no folder of runs that MLflow keeps as files."
            raise Refused(text, "Only those are taken into a store; anything else is read as it is.")
        store = Path(file) if file else source.path.parent / _STORE
        if store.exists() or store.is_symlink():
            hint = Hint(f"mlops-desk registry migrate {shlex.quote(uri)} --file FILE", before="Name another file: ")
            raise Refused(f"{plain(str(store), 400)} is there already; nothing is written over it.", hint)
        found = self._written(source.path, store)
        address = f"sqlite:///{quote(str(store))}"
        names = self._moved(source.path, address)
        answer = {**found, "folder": str(source.path), "file": str(store), "names": names}
        migrated: MigratedFolder = wire.convert(answer, MigratedFolder, strict=False)
        return migrated

    def _written(self, folder: Path, store: Path) -> Mapping[str, Any]:
        try:
            beside = Path(tempfile.mkdtemp(prefix=".mlops-desk-", dir=store.parent))
        except OSError as error:
            text = f"Nothing can be written to {plain(str(store.parent), 400)}: {error.strerror}."
            raise Unavailable(text, "Name a file elsewhere with --file.") from error
        try:
            made = beside / store.name
            found = self._work({"folder": str(folder), "store": str(made)})
            made.chmod(folder.stat().st_mode & 0o666)  # whoever logs to the folder can log to the store
            os.link(made, store)  # unlike a rename it takes nobody's place
        except FileExistsError as error:
            raise Refused(f"{plain(str(store), 400)} was made meanwhile; nothing is written over it.") from error
        except OSError as error:
            text = f"The store could not be put at {plain(str(store), 400)}: {error.strerror}."
            raise Unavailable(text, "Name a file on another disk with --file.") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return found

    def _worked(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = run_worker(_WORKER, dict(request), MIGRATION_SECONDS, self._environment)
        return found
