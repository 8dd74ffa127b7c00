"""What a job was made of, frozen so that it can be repeated: code, image, data, environment, hardware."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ImageIdentity:
    """An image's names. ``id`` is the engine's, ``digest`` the registry's; ``diff_ids`` say what is in it."""

    id: str | None = None
    digest: str | None = None
    diff_ids: tuple[str, ...] = ()
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class GitIdentity:
    """The state of the code. ``dirty``: it had changes that no commit holds; ``diff_sha256`` is theirs."""

    commit: str | None = None
    dirty: bool | None = None
    branch: str | None = None
    remote: str | None = None
    diff_sha256: str | None = None
    untracked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataIdentity:
    """A data mount: how many files and bytes, and a hash of them. ``sampled``: only parts of large files were read."""

    target: str
    source: str
    files: int | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    sampled: bool = False


@dataclass(frozen=True, slots=True)
class Capsule:
    """All that is known of what made a job's result. None: not known, or not asked yet.

    ``source_sha256`` is of the snapshot of its code, ``packages_sha256`` of what ``pip freeze`` says inside; ``gpus``
    are the UUIDs that it had. ``versions`` has CUDA, kernel and engine, ``topology`` by what path two of its
    GPUs reach one another (``GPU-a GPU-b``: ``NV18``).
    """

    image: ImageIdentity = field(default_factory=ImageIdentity)
    git: GitIdentity = field(default_factory=GitIdentity)
    source_sha256: str | None = None
    packages_sha256: str | None = None
    data: tuple[DataIdentity, ...] = ()
    seed: int | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    driver: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    gpu_models: tuple[str, ...] = ()
    topology: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a job runs on, as the driver tells it: see ``Capsule``."""

    driver: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    gpu_models: tuple[str, ...] = ()
    topology: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two jobs differ: where it stands (``spec.params.lr``), and what it is in each."""

    path: str
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True)
class Repeat:
    """That a job is another one once more (``of``, its id): in what the two differ, and what nobody can promise."""

    of: str
    differs: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """A job that was written to a file (``path``), and the file's size and hash."""

    job_id: str
    path: str
    size_bytes: int
    sha256: str
