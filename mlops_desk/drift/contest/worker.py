"""The worker that scores two models: ``python -m mlops_desk.drift.contest.worker``, one request on stdin.

Request: {"rows": path, "champion": path, "challenger": path, "part": word, "data": words, "metric": name, "positive":
class or null}. The rows are JSON lines, {"label": value, "groups": {column: value}} and more; the others JSON lists
with an answer for each. The answer is a PairedScore.
"""

import json
from pathlib import Path
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.errors import Invalid
from mlops_desk.base.process import serve_one
from mlops_desk.drift.contest.scoring import score
from mlops_desk.records.pipelines.comparison import COMPARED

MODULE = "mlops_desk.drift.contest.worker"
_MOST_BYTES = 256 << 20  # chosen: 20,000 rows of 10 KB; answers beyond are no answers to rows


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types. Raises Invalid."""
    if request["metric"] not in COMPARED:
        raise Invalid(f"Two models can't be compared by {request['metric']!r}.", f"There are: {', '.join(COMPARED)}.")
    rows = [json.loads(line) for line in _text(request["rows"]).splitlines() if line]
    groups = {column: [row["groups"][column] for row in rows] for column in (rows[0]["groups"] if rows else {})}
    found = score(
        [row["label"] for row in rows],
        _answers(request["champion"]),
        _answers(request["challenger"]),
        groups,
        part=request["part"],
        data=request["data"],
        metric=request["metric"],
        positive=request.get("positive"),
    )
    return wire.to_builtins(found)


def _answers(path: str) -> list[Any]:
    try:
        found = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise Invalid(f"A model's answers are no JSON: {error}.") from error
    if not isinstance(found, list):
        raise Invalid("A model's answers are no list with one for each row.")
    return found


def _text(path: str) -> str:
    file = Path(path)
    if file.stat().st_size > _MOST_BYTES:
        raise Invalid(f"{file.name} has more than {_MOST_BYTES >> 20} MiB.", "Compare fewer rows.")
    return file.read_text(encoding="utf-8")


if __name__ == "__main__":
    serve_one(answer)
