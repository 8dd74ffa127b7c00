"""What a model wants installed: the lines of requirements.txt, its Python, and what it was logged with."""

from collections.abc import Mapping
from typing import Any

from mlops_desk.base.document.foreign import word
from mlops_desk.base.text import plain

_MOST_LINES = 1000  # chosen: a whole environment, frozen
_LONGEST_LINE = 300  # chosen: a requirement with an address
_PYTHON = "python"


def requirements_of(text: str) -> tuple[str, ...]:
    """Return the requirements, each on one line, without comments and options; in their order."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.partition(" #")[0].strip()
        if stripped and not stripped.startswith(("#", "-")):
            found.append(plain(" ".join(stripped.split()), _LONGEST_LINE))
    return tuple(found[:_MOST_LINES])


def python_of(pyfunc: Mapping[str, Any], environment: Mapping[str, Any]) -> str | None:
    """Return the version of Python that a model was logged with, by its flavour or by python_env.yaml."""
    return word(pyfunc.get("python_version"), 40) or word(environment.get(_PYTHON), 40)
