"""How much a version looks at each of its columns, found in a container of its own, which is gone afterwards.

The version is made ready as for scoring, and nothing of it is loaded in a process of ours: what is said of its columns
are lines that the container writes (``told``). It has no network, no GPU and no more memory than a deployed one.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import Hint, Invalid, TimedOut
from mlops_desk.base.text import plain
from mlops_desk.records.jobs.spec import Mount
from mlops_desk.records.model import ModelVersion
from mlops_desk.serving.asking.aside import AsideContainers
from mlops_desk.serving.asking.data import typed
from mlops_desk.serving.beside import told
from mlops_desk.serving.beside.scoring import MadeVersion, VersionScoring
from mlops_desk.serving.beside.told import ToldImportance
from mlops_desk.serving.image.model_files import ModelFiles
from mlops_desk.serving.runtimes import shipped
from mlops_desk.serving.work import BesideWork

LEAST_ROWS = 30  # as for everything that is compared: fewer tell nothing (DRIFT.md, B4)
MOST_COLUMNS = 500  # chosen: each is shuffled some times, and nobody reads more of them
_SECONDS = 3600.0  # chosen: 100 columns five times each, of a model that takes 3 ms a row, on 2,000 rows
_PROGRAMS = {
    "serve.py": shipped.SCORING_SERVER,
    "model_says.py": shipped.MODEL_SAYS,
    "column_importance.py": shipped.COLUMN_IMPORTANCE,
}


@dataclass(frozen=True, slots=True)
class WeighingOrder:
    """What is asked. ``rows`` is a file of JSON lines {"features", "label"}, as ``drift.contest.laying`` writes them.

    ``columns`` are those that somebody wants to know of, ``features`` what the model takes where it doesn't say. With
    ``permute`` or a ``metric`` the model is asked also where it would say it itself.
    """

    rows: Path
    columns: tuple[str, ...]
    features: tuple[str, ...]
    repeats: int
    seed: int
    metric: str | None = None
    permute: bool = False


@dataclass(frozen=True, slots=True)
class Weighed:
    """What was found of which columns, by so many rows."""

    columns: tuple[str, ...]
    told: ToldImportance
    n_rows: int


class VersionWeighing:
    """One at a time, and none while another version is scored."""

    def __init__(self, scoring: VersionScoring, asides: AsideContainers) -> None:
        self._scoring = scoring
        self._asides = asides

    def weigh(self, version: ModelVersion, order: WeighingOrder, work: BesideWork) -> Weighed:
        """Weigh a version's columns. Raises Invalid, Refused, TimedOut, Unavailable."""
        with self._scoring.made(version, work) as made:
            names = [one.name for one in made.files.features] or list(order.features)
            wanted = [one for one in order.columns if one in set(names)]
            _check(version, order, wanted)
            folder = made.place / "weighing"
            _lay_programs(folder)
            n_rows = _lay_rows(made.files, names, order, folder / "rows.jsonl")
            permute = order.permute or order.metric is not None
            asked = {
                "columns": names, "wanted": wanted, "metric": order.metric, "is_asked": permute,
                "repeats": order.repeats, "seed": order.seed,
            }  # fmt: skip
            _write(folder / "order.json", json.dumps(asked))
            found = made.tried(lambda image: self._told(image, made, folder, len(wanted), order, work))
        return Weighed(tuple(wanted), found, n_rows)

    def _told(
        self, image: str, made: MadeVersion, folder: Path, n_wanted: int, order: WeighingOrder, work: BesideWork
    ) -> ToldImportance:
        def heard(lines: list[str]) -> None:
            known = told.progress(lines)
            if known is None:
                work.tell("The model is loaded, and what it says of its columns is read.")
            else:
                work.tell("Columns are shuffled.", *known)

        mounts = (Mount(str(made.files.folder), "/model", "ro"), Mount(str(folder), "/mlops-desk", "ro"))
        command = ("python3", "/mlops-desk/column_importance.py")
        try:
            lines = self._asides.lines(image, mounts, command, _SECONDS, work, heard)
        except TimedOut as error:
            raise TimedOut(error.message, "Take fewer rows (--rows) or repeats (--repeats).") from error
        permute = order.permute or order.metric is not None
        return told.read(lines, n_wanted, order.metric, permute=permute)


def _check(version: ModelVersion, order: WeighingOrder, wanted: list[str]) -> None:
    called = f"Version {plain(version.version)} of {plain(version.name)}"
    if not wanted:
        shown = ", ".join(plain(one, 40) for one in order.columns[:5])
        hint = Hint("mlops-desk drift monitors configure NAME --rename NOW=BEFORE", before="If they are renamed: ")
        raise Invalid(f"{called} takes none of the columns that are compared ({shown or 'none'}).", hint)
    if len(wanted) > MOST_COLUMNS:
        text = f"{called} has {len(wanted)} columns that are compared; no more than {MOST_COLUMNS} are weighed at once."
        raise Invalid(text, "Choose some for the monitor: drift monitors configure NAME --columns A,B.")


def _lay_programs(folder: Path) -> None:
    """Write what the container runs, for whichever user it runs as."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    for name, program in _PROGRAMS.items():
        _write(folder / name, shipped.text(program))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)


def _lay_rows(files: ModelFiles, names: list[str], order: WeighingOrder, target: Path) -> int:
    """Write the rows as the model's signature has them; return how many. Raises Invalid.

    Where enough of them have a label, those without are left out; else the labels are.
    """
    kinds = {one.name: one.kind for one in files.features}
    with order.rows.open(encoding="utf-8") as file:
        n_all, n_labelled = 0, 0
        for line in file:
            n_all += 1
            n_labelled += json.loads(line)["label"] is not None
    is_labelled = n_labelled >= LEAST_ROWS
    if n_all < LEAST_ROWS:
        raise Invalid(f"The reference has {n_all:,} rows, and {LEAST_ROWS} are the least that tell anything.")
    n = 0
    with order.rows.open(encoding="utf-8") as file, target.open("w", encoding="utf-8") as out:
        for at, line in enumerate(file, 1):
            row: dict[str, Any] = json.loads(line)
            if is_labelled and row["label"] is None:
                continue
            values = [typed(row["features"].get(name), kinds.get(name), at, name) for name in names]
            out.write(json.dumps([values, row["label"] if is_labelled else None], allow_nan=False) + "\n")
            n += 1
    target.chmod(0o644)
    return n
