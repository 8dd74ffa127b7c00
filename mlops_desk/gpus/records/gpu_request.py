"""Which GPUs a job asks for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Need:
    """What is asked for; jobs that ask for the same are decided about once.

    ``model`` is a shell pattern for the GPU's name. With ``exclusive`` False a GPU may be shared, if all on it declare
    how much of its memory they take (``share_bytes``, for each GPU).
    """

    gpus: int = 0
    memory_bytes: int | None = None
    model: str | None = None
    uuids: tuple[str, ...] = ()
    exclusive: bool = True
    share_bytes: int | None = None

    @property
    def shares(self) -> bool:
        """Tell whether it may be put beside others: only what declares its memory is."""
        return not self.exclusive and self.share_bytes is not None
