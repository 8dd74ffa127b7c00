"""The loss of a training as its lines tell it; losses of a validation are left out. Text is in lower case."""

import math
import re

_LOSS = re.compile(
    r"loss(?:_?(?:step|epoch))?(?![a-z_])['\"]?\s{0,8}[:=|]?\s{0,8}['\"(\[]?(?:tensor\()?\s?"
    r"([-+]?(?:nan|inf(?:inity)?)\b|[-+]?\d{1,40}(?:,\d{3})*\.?\d{0,40}(?:e[-+]?\d{1,4})?)"
)
_OTHERS = re.compile(
    r"(?:val(?:idation)?|valid|eval|test|dev|best|min|lowest|stop)[\s_/-]{0,3}(?:[a-z]{1,8}[\s_/-]{1,3})?$"
)
_BEFORE = 24
"""How many characters before the word are looked at for what says that it is no training's loss."""


def loss_in(lowered: str) -> float | None:
    """Return the last training loss that a segment tells, also one that is no number; None: it tells none."""
    found = None
    for match in _LOSS.finditer(lowered):
        before = lowered[max(0, match.start() - _BEFORE) : match.start()]
        if (before[-1:].isalpha() and not before.endswith(_JOINED)) or _OTHERS.search(before) is not None:
            continue
        found = float(match[1].replace(",", ""))
    return found


_JOINED = ("train", "total", "mean", "avg")


def broken_word(loss: float) -> str | None:
    """Return what is wrong with a loss: ``nan``, ``inf``, ``-inf``."""
    if math.isnan(loss):
        return "nan"
    return None if math.isfinite(loss) else "inf" if loss > 0 else "-inf"
