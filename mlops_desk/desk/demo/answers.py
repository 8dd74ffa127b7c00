"""What an endpoint of the demonstration answered and what turned out: ``python -m mlops_desk.desk.demo.answers``.

Some customers of each window have a logged answer. Who has left is known a day later, of some after a shift; in the
last days customers leave for another reason than the model has learned, so that its answers become worse while nothing
of the data moves. All follows from the time: what is there already is not written again.

Request: {"folder": path, "windows": [[start, end], …], "began": number, "now": number} (Unix times), and "good": the
path of labelled answers from when the model was good, where they are to be written. The answer is null.
"""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from mlops_desk.desk.demo import data
from mlops_desk.drift.records.answers import AnswerColumns
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.storage.request_log.feedback import Feedback, write_feedback
from mlops_desk.kit.storage.request_log.layout import hour_of, part_path
from mlops_desk.kit.storage.request_log.writer import write_part
from mlops_desk.kit.storage.requests import LoggedFeature, LoggedRow

MODULE = "mlops_desk.desk.demo.answers"
COLUMNS = AnswerColumns("churned", "churns", ("probability",), positive="1")
REVISION = 1  # of the played log, which has no other
_ROWS = 240  # chosen: of a window; intervals are then as wide as people know them
_GOOD_ROWS = 2000  # chosen: the reference's own figures hardly move
_HOUR, _DAY = 3600.0, 86_400.0  # what they are, in seconds
_EARLY_SHARE = 0.4  # chosen: who leaves at once says so
_TURNS_DAY = 12.0  # chosen: two of the last three weeks are fine
_OTHERWISE = 0.22  # chosen: of the customers, those that leave or stay for the other reason
_LEAST_PRIORITY = 19  # of nice(2)


def _drawn(random: np.random.Generator, n: int, otherwise: float) -> list[tuple[float, int, int]]:
    """Return of each customer the probability that the model tells, its answer, and whether they left."""
    told = 1 / (1 + np.exp(-random.normal(-0.6, 1.8, n)))
    left = random.random(n) < told
    left = np.where(random.random(n) < otherwise, ~left, left)
    return [(round(float(p), 4), int(p > 0.5), int(one)) for p, one in zip(told, left, strict=True)]


def _write_window(folder: Path, start: float, end: float, began: float, now: float) -> None:
    otherwise = _OTHERWISE if start - began >= _TURNS_DAY * _DAY else 0.0
    drawn = _drawn(data.generator(int(start)), _ROWS, otherwise)
    moments = np.linspace(start, min(end, start + _HOUR), _ROWS + 2)[1:-1]
    names = [f"demo-{start:.0f}-{at}" for at in range(_ROWS)]
    part = part_path(folder, int(start), hour_of(start))
    if not part.exists():
        rows = [
            LoggedRow(name, float(at), REVISION, 200, 0.012, 0, None, {}, {"churns": said, "probability": p})
            for name, at, (p, said, _) in zip(names, moments, drawn, strict=True)
        ]
        write_part(rows, [LoggedFeature("tenure_months", "double")], part)
    share = 1.0 if now - end > _DAY else _EARLY_SHARE if now - end > _HOUR else 0.0
    mark = folder / f"labelled-{start:.0f}-{share:g}"
    if share and not mark.exists():
        some = zip(names[: math.floor(share * _ROWS)], drawn, strict=False)
        told = [Feedback(name, None, end, {COLUMNS.label: left}) for name, (_, _, left) in some]
        write_feedback(folder, told, int(start) + (share == 1.0))
        mark.touch()


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types. Raises OSError."""
    folder = Path(request["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    if "good" in request:
        lines = [f"{left},{said},{p}" for p, said, left in _drawn(data.generator(1), _GOOD_ROWS, 0.0)]
        Path(request["good"]).write_text("churned,churns,probability\n" + "\n".join(lines) + "\n", encoding="utf-8")
    for start, end in request["windows"]:
        _write_window(folder, float(start), float(end), float(request["began"]), float(request["now"]))


if __name__ == "__main__":
    os.nice(_LEAST_PRIORITY)  # whoever looks at the demonstration comes first
    serve_one(answer)
