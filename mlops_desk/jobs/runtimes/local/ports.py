"""What the local runtime needs of the ledger of GPUs, as plain types."""

from dataclasses import dataclass
from typing import Protocol

from mlops_desk.engines.engine import ImageFacts
from mlops_desk.engines.images.tasks import ImageClaim
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.gpus.records.gpu_status import GpuCard
from mlops_desk.jobs.records.job import ImageProgress


@dataclass(frozen=True, slots=True)
class GpuHolder:
    """An attempt that holds GPUs, the name its container has or is about to get ("": it has none), and whose job it is.

    Of each GPU it has all, or ``share_bytes`` of the memory. ``until`` (Unix seconds): its time limit ends then.
    """

    attempt_id: str
    label: str
    container: str
    uid: int
    share_bytes: int | None = None
    until: float | None = None


class ImageSupply(Protocol):
    """Brings images to an engine, by tasks that people see."""

    def pull(self, reference: str, uid: int, login: RegistryLogin | None, claim: ImageClaim) -> ImageFacts:
        """Pull an image, however long it takes. Raises NotFound, Refused, Unavailable."""
        ...

    def build(self, sha256: str, dockerfile: str, uid: int, claim: ImageClaim) -> ImageFacts:
        """Return what is built of a folder that is kept, and build it if it is not there.

        Raises NotBuilt, Obstacle, Unavailable.
        """
        ...

    def progress(self, job_id: str) -> ImageProgress | None:
        """Return how far the image is that a job waits for; None while nothing is under way for it."""
        ...


class GpuLeases(Protocol):
    """The machine's ledger of GPUs. ``pool`` names them; None: they are nobody else's."""

    @property
    def pool(self) -> str | None: ...

    def cards(self) -> tuple[GpuCard, ...]:
        """Return how each GPU and MIG instance stands; none when those of that engine are not known here.

        Raises Unavailable where the driver has never answered.
        """
        ...

    def lease(self, holder: GpuHolder, gpus: tuple[str, ...]) -> tuple[str, ...] | str:
        """Take exactly these, all of them or none, and return them, or say in words why not."""
        ...

    def keep(self, holder: GpuHolder, gpus: tuple[str, ...], pid: int | None = None) -> bool:
        """Go on holding exactly these GPUs, also after a restart; from now on as long as the process ``pid`` lives.

        False when one of them has gone to somebody else meanwhile. Raises Unavailable.
        """
        ...

    def settle(self) -> None:
        """Find out who ended without giving back what they held; may ask the engine."""
        ...

    def release(self, attempt_id: str) -> None:
        """Let go of what the attempt holds; no error when it holds nothing. Raises Unavailable."""
        ...
