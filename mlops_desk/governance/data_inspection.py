"""How the catalogue looks at a data set: as whose it is, by workers that can be killed, as each kind allows."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_desk.automation.rules.pipeline.hashing import MODULE as HASHING
from mlops_desk.automation.rules.pipeline.hashing import digest_of, known_of
from mlops_desk.automation.watch_workers import dvc_worker
from mlops_desk.drift.columns_worker import MODULE as COLUMNS
from mlops_desk.drift.records.columns import KINDS_OF_SIGNATURES, WORDS, ColumnKind
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.governance.data.inspection import Watching
from mlops_desk.governance.records.data.catalogue import CatalogueEntry, DataColumn, DataKind, DataPlace, DataVersion
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import DeskError, NotFound, Unavailable
from mlops_desk.kit.base.process import run_watched
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import DatasetInput

SILENCE_SECONDS = 600.0  # chosen: a disk that gives nothing for ten minutes gives nothing
_COLUMNS_SECONDS = 120.0  # chosen: columns are told beside; of data that take longer the hash is what counts
_FIRST = ""  # the target that all data of the catalogue have, so that the hash does not depend on a name
_LINE_ENDS = re.compile(rb"[\r\n]+\Z")


@dataclass(frozen=True, slots=True)
class LookParts:
    """``datasets`` are those of a run, ``secret`` a person's secret by its name; both raise DeskError.

    ``lists`` is the folder in which the lists of files are kept, so that what is as it was is not read again.
    """

    lists: Path
    datasets: Callable[[str], Sequence[DatasetInput]]
    secret: Callable[[int, str], bytes]


class DataLooks:
    """Looks at sets; called in threads of their own."""

    def __init__(self, parts: LookParts) -> None:
        self._parts = parts

    def look(self, entry: CatalogueEntry, watching: Watching) -> tuple[DataPlace, DataVersion]:
        """Return where a set lies and what is there. Raises NotFound where it is gone, DeskError where nobody knows."""
        if entry.place.kind is DataKind.MLFLOW and entry.place.path is None:
            return self._logged(entry)
        if entry.place.kind is DataKind.QUERY:
            text = (entry.place.query or "").encode("utf-8", "surrogatepass")
            asked = DataVersion(entry.name, 0, query_sha256=hashlib.sha256(text).hexdigest())
            version = self._with_columns(entry, self._queried(entry.place), asked, watching)
            return entry.place, version
        return self._hashed(entry, watching)

    def _hashed(self, entry: CatalogueEntry, watching: Watching) -> tuple[DataPlace, DataVersion]:
        path, known = entry.place.path or "", self._known(entry.name)

        def hear(line: str) -> bool:
            files, _, size = line.partition(" ")
            if files.isdigit() and size.isdigit():
                watching.tell(int(files), int(size))
            return not watching.is_stopping

        request = {"sources": {_FIRST: path}, "known": known, "tells": True}
        files = run_watched(HASHING, request, hear, SILENCE_SECONDS, as_uid=_reader(entry))["files"]
        self._keep(entry.name, files)
        is_file = len(files) == 1 and files[0][1] == ""
        size = sum(one[2] for one in files)
        version = DataVersion(entry.name, 0, sha256=digest_of(files), size_bytes=size, files=len(files))
        place = entry.place
        if place.kind is DataKind.DVC and is_file:
            return place, self._named_by_dvc(entry, version)
        if place.kind in {DataKind.FILE, DataKind.FOLDER}:
            place = replace(place, kind=DataKind.FILE if is_file else DataKind.FOLDER)
        return place, self._with_columns(entry, path, version, watching)

    def _named_by_dvc(self, entry: CatalogueEntry, version: DataVersion) -> DataVersion:
        """Return what a .dvc file says of the data that it names: the file is there, whatever became of them."""
        request = {"file": entry.place.path, "ref": None, "output": None, "one": True}
        found = run_watched(dvc_worker.__name__, request, lambda _line: True, _COLUMNS_SECONDS, as_uid=_reader(entry))
        return replace(
            version,
            digest=found["digest"],
            size_bytes=found["size_bytes"],
            files=found["files"],
            columns_why="A .dvc file names data; it does not tell their columns.",
        )

    def _with_columns(
        self, entry: CatalogueEntry, source: "str | dict[str, Any]", version: DataVersion, watching: Watching
    ) -> DataVersion:
        """Return a version with its columns, or with why nobody could tell them. Raises DeskError for a query."""
        try:
            with scratch("columns") as place:
                folder, reader = Path(place, "room"), _reader(entry)
                folder.mkdir(mode=0o700)
                if reader is not None:
                    os.chmod(place, 0o711)  # noqa: PTH101, S103 - a way through, and no look at what else is there
                    os.chown(folder, reader, -1)  # what is copied of their data there, nobody else reads
                request = {"source": source, "folder": str(folder), "access": {"source": self._access(entry)}}
                found = run_watched(
                    COLUMNS, request, lambda _line: not watching.is_stopping, _COLUMNS_SECONDS, as_uid=reader
                )
        except DeskError as error:
            if entry.place.kind is DataKind.QUERY:
                raise
            return replace(version, columns_why=plain(error.message, 400))
        except OSError as error:
            raise Unavailable(f"The columns can't be looked at: {error.strerror}.") from error
        columns = tuple(DataColumn(name, None if kind is None else ColumnKind(kind)) for name, kind in found["columns"])
        rows_sha256 = found.get("rows_sha256")
        digest = version.digest if rows_sha256 is None else f"rows:{rows_sha256}"
        return replace(version, rows=found["rows"], columns=columns, digest=digest)

    def _logged(self, entry: CatalogueEntry) -> tuple[DataPlace, DataVersion]:
        place = entry.place
        if place.run is None:
            raise Unavailable("It was logged by runs, none of which says where it lies.", "Register its folder.")
        for one in self._parts.datasets(place.run):
            if one.name == place.dataset:
                columns, why = columns_of_schema(one.schema)
                version = DataVersion(entry.name, 0, digest=one.digest, columns=columns, columns_why=why)
                return replace(place, source=one.source), version
        raise NotFound(f"Run {plain(place.run, 100)} has logged no data set {plain(place.dataset or '', 200)}.")

    def _queried(self, place: DataPlace) -> dict[str, Any]:
        source = Source(SourceKind.SQL, place.database or "", query=place.query, login=place.login)
        told: dict[str, Any] = wire.to_builtins(source)
        return told

    def _access(self, entry: CatalogueEntry) -> dict[str, Any]:
        login = entry.place.login
        if login is None or entry.created_by is None:
            return {}
        password = _LINE_ENDS.sub(b"", self._parts.secret(entry.created_by, login))
        return {"password": password.decode("utf-8", "replace"), "query_seconds": _COLUMNS_SECONDS}

    def _list(self, name: str) -> Path:
        return self._parts.lists / f"{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"

    def _known(self, name: str) -> dict[str, list[Any]]:
        try:
            return known_of(json.loads(self._list(name).read_bytes()))
        except (OSError, ValueError, IndexError, TypeError):
            return {}  # not looked at yet, or the list was damaged: all is read

    def _keep(self, name: str, files: list[Any]) -> None:
        try:
            self._parts.lists.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._list(name), json.dumps(files).encode())
        except OSError as error:
            raise Unavailable(f"The list of the files can't be kept: {error.strerror}.") from error


def _reader(entry: CatalogueEntry) -> int | None:
    """Return as whom data are read: who registered them, for nobody has another's read for them; None: as the agent."""
    return None if entry.created_by in {None, os.getuid()} else entry.created_by


def columns_of_schema(schema: str | None) -> tuple[tuple[DataColumn, ...], str | None]:
    """Return the columns in a schema as MLflow logs it, or why there are none.

    Of texts it does not tell whether they are categories or prose: their kind is None.
    """
    try:
        document = json.loads(schema) if schema else None
        columns = document["mlflow_colspec"] if isinstance(document, dict) else None
        if isinstance(columns, list):
            return tuple(DataColumn(str(one["name"]), _kind(str(one["type"]))) for one in columns), None
    except (ValueError, KeyError, TypeError, RecursionError):
        return (), "The schema that the run has logged can't be read."
    return (), "The run has logged no columns."


def _kind(logged: str) -> ColumnKind | None:
    known = KINDS_OF_SIGNATURES.get(logged, WORDS)
    return None if known == WORDS else ColumnKind(known)
