"""A worker: the numbers that a stage has written into its metrics file. Its container could have put anything there.

A plain file alone is read, through no link, and of what is in it finite numbers by short names alone.
"""

import json
import math
import os
from typing import Any

from mlops_desk.jobs.provenance.source.folder import open_beneath
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

MODULE = "mlops_desk.automation.ci.metrics"
SECONDS = 20.0  # chosen: one small file of a disk that is slow to wake
_MOST_BYTES = 1 << 20  # chosen: ten thousand numbers with long names
_MOST_NUMBERS = 1000  # chosen: likewise, and few enough for a record
_LONGEST_NAME = 200  # chosen: as long as any that people read
_FORM = 'It has to be a JSON object of numbers: {"accuracy": 0.93}.'


def answer(request: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of the file ``path`` below ``folder``, by name. Raises DeskErrors."""
    folder, path = str(request["folder"]), str(request["path"])
    opened = open_beneath(folder, path)
    try:
        facts = os.fstat(opened)
        if facts.st_size > _MOST_BYTES:
            raise Invalid(f"{plain(path)} is no file of metrics.", f"{_FORM} At most 1 MiB.")
        with os.fdopen(opened, "rb", closefd=False) as file:
            data = file.read(_MOST_BYTES)
    finally:
        os.close(opened)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{plain(path)} is no JSON.", _FORM) from error
    if not isinstance(found, dict):
        raise Invalid(f"{plain(path)} holds no metrics by name.", _FORM)
    numbers = {name: value for name, value in found.items() if len(name) <= _LONGEST_NAME and _is_number(value)}
    return {name: float(value) for name, value in [*numbers.items()][:_MOST_NUMBERS]}


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:  # a whole number of hundreds of digits
        return False


if __name__ == "__main__":
    serve_one(answer)
