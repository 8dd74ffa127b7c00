"""The container engines as a verb: what can be reached, what each is, and where GPUs were seen in a container."""

from builtins import list as list_of
from collections.abc import Callable, Iterable

from mlops_desk.base.loop import Loop
from mlops_desk.engines.discovery import Ask, Candidate, look
from mlops_desk.engines.proven import Proofs
from mlops_desk.records.engine import FoundEngine

_ALL_SECONDS = 40.0  # chosen: a dozen places that are all silent, and less than a verb may take


class EnginesService:
    """Implements ``verbs.Engines``. ``where`` returns the places to ask, ``ask`` asks one."""

    def __init__(
        self, where: Callable[[], Iterable[Candidate]], proofs: Proofs, loop: Loop, ask: Ask | None = None
    ) -> None:
        self._where = where
        self._proofs = proofs
        self._loop = loop
        self._ask = ask

    def list(self) -> list_of[FoundEngine]:
        """Ask everywhere, one after the other. Raises TimedOut."""
        return self._loop.call("engines", lambda: look(self._where(), self._proofs.all(), self._ask), _ALL_SECONDS)
