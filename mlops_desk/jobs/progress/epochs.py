"""Epochs in words: ``Epoch 3/10``, ``epoch: [3]``, ``epoch=3``. Text is handed in in lower case."""

import re

_OF = re.compile(r"epochs?(?![a-z_])[\s:=\[(#]{0,8}(\d{1,9}(?:\.\d{1,9})?)\]?\s{0,8}(?:/|of|out of)\s{0,8}(\d{1,9})")
_ALONE = re.compile(r"epoch(?:\(\w{1,10}\))?[\s:=\[(#]{0,8}(\d{1,9}(?:\.\d{1,9})?)(?![\d.]*[%x])")
_MOST = 1e7  # chosen: what is counted to more is no epoch, but a time or an id


def epoch_in(lowered: str) -> tuple[float | None, float | None]:
    """Return which epoch is named, of how many; None each where it is not said."""
    if "epoch" not in lowered:
        return None, None
    match = _OF.search(lowered)
    if match is not None:
        epoch, epochs = float(match[1]), float(match[2])
        if 0 < epochs <= _MOST and epoch <= epochs:
            return epoch, epochs
    match = _ALONE.search(lowered)
    if match is None or lowered[match.start() - 1 : match.start()] in _PART_OF_A_NAME:
        return None, None
    return float(match[1]), None


_PART_OF_A_NAME = frozenset({"_", "-", "."})
"""Before the word: ``num_epoch=10`` of a printed configuration tells how many, and not which."""
