"""Amounts and lengths of time as Docker and Compose write them; a job file writes them otherwise."""

import re

from mlops_desk.base.document.forms import Unfit

_BYTES = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?) ?([bkmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_POWERS = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def docker_bytes(text: str) -> int:
    """Return the bytes that ``8g``, ``512m`` or ``1024`` names to Docker, by powers of 1024. Raises Unfit."""
    found = _BYTES.fullmatch(text.strip())
    if found is None:
        raise Unfit("an amount such as 8g")
    amount = int(float(found[1]) * 1024 ** _POWERS[found[2].lower()])
    if amount <= 0:
        raise Unfit("an amount above 0")
    return amount
