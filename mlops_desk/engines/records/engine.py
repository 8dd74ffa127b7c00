"""A container engine of this machine, as it was found."""

from dataclasses import dataclass

from mlops_desk.kit.base.errors import keep_command


@dataclass(frozen=True, slots=True)
class GpuProof:
    """GPUs that were seen inside a container of an engine, at Unix time ``at``. ``level``: uuid or minor."""

    level: str
    gpus: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class FoundEngine:
    """An engine that could run jobs. ``source`` says how it was found: a setting, a variable, a CLI's context, a place.

    ``names`` is what jobs can call it (local is the default), none for one that no job is sent to. ``kind`` and
    ``version`` are its own words; ``state``: ok, absent, refused, silent or unspoken (an address of another sort).
    ``rootless``: it runs as a person. ``gpu_route`` is how it would hand over GPUs, ``proof`` when it last did, None:
    never seen. ``text``, ``hint`` and ``command`` say what is wrong with it.
    """

    address: str
    source: str
    state: str
    names: tuple[str, ...] = ()
    kind: str | None = None
    version: str | None = None
    api_version: str | None = None
    rootless: bool | None = None
    live_restore: bool | None = None
    gpu_route: str | None = None
    proof: GpuProof | None = None
    text: str | None = None
    hint: str | None = None
    command: str | None = None

    def __post_init__(self) -> None:
        keep_command(self)
