"""How many epochs a job's command asks for: many bars tell which epoch it is, and not of how many."""

import re

from mlops_desk.records.jobs.filling import filled
from mlops_desk.records.jobs.spec import JobSpec

_NAMES = r"(?:max|num|n|total|nb)?[-_.]?(?:train(?:ing)?)?[-_.]?(?:epochs|max_epoch)"
_ARGUMENT = re.compile(rf"(?:^|[\s.\-'\"]){_NAMES}(?:=|\s+|['\"]\s+['\"]?)(\d{{1,7}})(?![\d.])")
_PARAMETER = re.compile(rf"{_NAMES}")


def epochs_asked(spec: JobSpec) -> float | None:
    """Return how many epochs command or parameters name; None where they don't, or name several numbers."""
    named = {float(found) for found in _ARGUMENT.findall(" ".join(filled(spec).command))}
    named |= {
        float(value) for name, value in spec.params.items() if _PARAMETER.fullmatch(name) and value.strip().isdecimal()
    }
    found = {number for number in named if number > 0}
    return found.pop() if len(found) == 1 else None
