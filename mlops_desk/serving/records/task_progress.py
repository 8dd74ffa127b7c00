"""What takes minutes, while it is under way: a replay, an export, a comparison of models, a dry run of a rule."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Undertaking:
    """How far it is, since the Unix time ``began``: what is done now, ``done`` of ``total`` parts (None: not known).

    ``is_stopping``: somebody has asked it to stop, and it has not ended yet.
    """

    what: str
    text: str
    began: float
    done: int | None = None
    total: int | None = None
    is_stopping: bool = False
