"""What to say where a name means nothing: which names come closest, or which there are. Pure."""

import difflib
from collections.abc import Sequence

from mlops_desk.kit.base.text import plain

_SUGGESTIONS = 3  # chosen: as many as one reads in a line


def nearest(name: str, names: Sequence[str], things: str) -> str:
    """Say which names come closest, or which there are."""
    close = difflib.get_close_matches(name, names, _SUGGESTIONS, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(plain(match) for match in close)}?"
    if not names:
        return f"This registry holds no {things} yet."
    more = ", …" if len(names) > _SUGGESTIONS else ""
    return f"Its {things} are {', '.join(plain(known) for known in names[:_SUGGESTIONS])}{more}."
