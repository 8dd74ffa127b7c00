"""How far the image is that a job waits for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageProgress:
    """The pull or build under way for a job, as of now; None is not known, or not yet.

    ``kind`` is pull or build, ``state`` waiting or running, ``task_id`` what the verbs about images call it. A build is
    at ``step`` of ``steps``, which is the instruction ``doing``; ``line`` is the last that it wrote.
    """

    task_id: str
    kind: str
    state: str
    layers_done: int = 0
    layers_count: int = 0
    done_bytes: int | None = None
    total_bytes: int | None = None
    bytes_per_second: float | None = None
    eta_seconds: float | None = None
    step: int | None = None
    steps: int | None = None
    doing: str = ""
    line: str = ""
