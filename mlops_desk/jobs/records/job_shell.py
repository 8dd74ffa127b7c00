"""A shell in a running job's container: what a terminal has to be joined to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobShell:
    """``words`` start a shell in ``container`` of the engine at the address ``engine``, as the user of the job."""

    job_id: str
    container: str
    engine: str
    words: tuple[str, ...]
