"""What a job was made of, frozen so that it can be repeated: code, image, data, environment, hardware."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.jobs.records.job_import import ImportNote
from mlops_desk.jobs.records.staging import StagedData


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

    ``source_sha256`` is of the snapshot of its code, ``build_sha256`` of that of the folder that its image is built of,
    ``dockerfile_sha256`` of the Dockerfile there, ``packages_sha256`` of what ``pip freeze`` says inside; ``gpus``
    are the UUIDs that it had. ``versions`` has CUDA, kernel and engine, ``topology`` by what path two of its
    GPUs reach one another (``GPU-a GPU-b``: ``NV18``). ``staged`` are the copies that it saw of mounts on slow shares.
    """

    image: ImageIdentity = field(default_factory=ImageIdentity)
    git: GitIdentity = field(default_factory=GitIdentity)
    source_sha256: str | None = None
    build_sha256: str | None = None
    dockerfile_sha256: str | None = None
    packages_sha256: str | None = None
    data: tuple[DataIdentity, ...] = ()
    seed: int | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    driver: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    gpu_models: tuple[str, ...] = ()
    topology: Mapping[str, str] = field(default_factory=dict)
    staged: tuple[StagedData, ...] = ()


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


class Verdict(StrEnum):
    """Whether a job is made of the same as another. ``UNKNOWN``: nothing is seen to differ, and not all is known."""

    SAME = "same"
    DRIFTED = "drifted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CapsuleDrift:
    """One thing that a job is made of and the first one was not; or of which one of them tells nothing (not ``known``).

    ``what`` is image, code, package, packages, data, driver, version or gpus; ``name`` which of them (``numpy``,
    ``/data``, ``kernel``). ``a`` and ``b`` are what it is in each, None where it is not there or not known. Of data,
    ``more_files`` and ``more_bytes`` are how many more there are now.
    """

    what: str
    name: str = ""
    a: str | None = None
    b: str | None = None
    known: bool = True
    more_files: int | None = None
    more_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Repeat:
    """That a job is another one once more (``of``, its id): in what the two differ, and what nobody can promise.

    ``differs`` names fields, of the job files too; ``verdict`` and ``drifts`` are of what both are made of.
    """

    of: str
    differs: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    verdict: Verdict = Verdict.UNKNOWN
    drifts: tuple[CapsuleDrift, ...] = ()


class Standing(StrEnum):
    """How something that a job needs stands here. ``FETCHED``: it is not here, and will be got as it was."""

    SAME = "same"
    FETCHED = "fetched"
    DIFFERS = "differs"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that a job needs, and how it stands here before it is queued.

    ``what`` is image, gpus, data, secret, code, driver or job; of a job from another machine also relax, port, git,
    build and network, which are missing until they are granted. ``name`` says which of them. ``drift`` says more where
    it differs from what the job was made of.
    """

    what: str
    name: str
    standing: Standing
    text: str
    hint: str | None = None
    drift: CapsuleDrift | None = None


@dataclass(frozen=True, slots=True)
class RepeatPreview:
    """What would come of running a job once more now; nothing was queued."""

    repeat: Repeat
    spec: str
    requirements: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedFrom:
    """The job of another machine that one was made of, as the file told it: nobody vouches for any of it.

    ``capsule`` is what that one was made of; ``verdict`` and ``drifts`` compare this one with it. ``notes`` tell what
    of its job file was lost on the way.
    """

    job_id: str
    host: str
    user: str
    submitted_at: float | None = None
    state: str | None = None
    capsule: Capsule | None = None
    verdict: Verdict = Verdict.UNKNOWN
    drifts: tuple[CapsuleDrift, ...] = ()
    notes: tuple[ImportNote, ...] = ()


@dataclass(frozen=True, slots=True)
class CapsuleImport:
    """What an exported job would be here, before it is submitted: its job file, and how all that it needs stands.

    ``ready``: nothing is missing without which it would be refused.
    """

    file: str
    origin: ImportedFrom
    name: str
    spec: str
    code_files: int = 0
    code_bytes: int = 0
    requirements: tuple[Requirement, ...] = ()
    differs: tuple[Difference, ...] = ()
    ready: bool = True


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """A folder that a job left (``target``, as the job called it), where it lies, and how much is in it."""

    target: str
    path: str
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Exported:
    """A job that was written to a file (``path``), and the file's size and hash."""

    job_id: str
    path: str
    size_bytes: int
    sha256: str
