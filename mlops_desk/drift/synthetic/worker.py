"""The worker that takes what a maker wrote: ``python -m mlops_desk.drift.synthetic.worker``, one request on stdin.

Request: {"laid": the folder that ``laying`` wrote, "out": the maker's output folder, "data": the real file, "with":
true for real and made rows, "rows": how many were asked for, "seed": number, "target": folder, "title": text, "folder":
work folder}. Once the rows are checked it writes into ``target``

data/NAME      the file for the training, called as the real one
made.csv       the made rows
report.json    the report, and report.html, the same as a page

and answers {"report": a SyntheticReport, "file": its path, "sha256", "rows_sha256", "source_sha256"}.
"""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.disk.files import write_atomically
from mlops_desk.base.process import serve_one
from mlops_desk.drift.room import work_room
from mlops_desk.drift.synthetic import fidelity
from mlops_desk.drift.synthetic.cells import CellTable, MadeColumn
from mlops_desk.drift.synthetic.checking import read_made
from mlops_desk.drift.synthetic.laying import COLUMNS, GIVEN, HELD, ROWS, write_rows
from mlops_desk.drift.synthetic.mixing import write_mixed
from mlops_desk.drift.synthetic.page import page
from mlops_desk.drift.synthetic.privacy import row_privacy
from mlops_desk.records.pipelines.synthetic import SyntheticReport

MODULE = "mlops_desk.drift.synthetic.worker"
MADE, REPORT, PAGE, DATA = "made.csv", "report.json", "report.html", "data"
_CHUNK = 1 << 20  # chosen: as large as a disk likes to read


def report_of(learned: CellTable, held: CellTable, made: CellTable, seed: int) -> SyntheticReport:
    """Reckon fidelity and privacy of made rows."""
    columns = fidelity.column_fidelity(learned, made)
    pairs, n_pairs = fidelity.pair_fidelity(learned, made)
    shapes = _mean([one.score for one in columns])
    trends = _mean([one.score for one in pairs])
    notes = [f"Of {n_pairs:,} pairs of columns {len(pairs):,} were compared."] if len(pairs) < n_pairs else []
    left = [one.name for one in learned.columns if one.name not in {column.column for column in columns}]
    notes += [f"Texts are not compared: {', '.join(left)}."] if left else []
    return SyntheticReport(
        learned.n_rows, held.n_rows, made.n_rows, columns, pairs, shapes, trends, _mean([shapes, trends]),
        row_privacy(learned, held, made, seed), n_pairs, tuple(notes),
    )  # fmt: skip


def _mean(scores: list[float | None]) -> float | None:
    known = [one for one in scores if one is not None]
    return sum(known) / len(known) if known else None


def take(request: dict[str, Any]) -> dict[str, Any]:
    """Check, judge and mix. Raises Invalid."""
    laid, target, real = Path(request["laid"]), Path(request["target"]), Path(request["data"])
    columns = wire.from_builtins(json.loads((laid / COLUMNS).read_text("utf-8")), tuple[MadeColumn, ...])
    made = read_made(Path(request["out"]), ROWS, columns, request["rows"])
    learned, held = _read(laid / GIVEN / ROWS, columns), _read(laid / HELD, columns)
    report = report_of(learned, held, made, request["seed"])
    (target / DATA).mkdir(parents=True, exist_ok=True)
    write_rows(made, target / MADE)
    file = target / DATA / real.name
    with work_room(request.get("folder")) as (connection, work):
        write_mixed(connection, real, made, file, with_real=request["with"], work=work)
    told = wire.to_builtins(report)
    write_atomically(target / REPORT, json.dumps(told, indent=1, allow_nan=False).encode())
    write_atomically(target / PAGE, page(report, request["title"]).encode())
    return {
        "report": told, "file": str(file), "sha256": _hash(file), "rows_sha256": _hash(target / MADE),
        "source_sha256": _hash(real),
    }  # fmt: skip


def _read(path: Path, columns: tuple[MadeColumn, ...]) -> CellTable:
    """Read what ``laying`` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    cells = {name: [row[at] or None for row in rows] for at, name in enumerate(header)}
    return CellTable(columns, cells, len(rows))


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    return take(request)


if __name__ == "__main__":
    serve_one(answer)
