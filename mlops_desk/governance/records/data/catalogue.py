"""Data sets as the catalogue has them: where one lies, what it was at each look, who stands on it."""

from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.kit.records.owner import Owner


class DataKind(StrEnum):
    """``DVC``: a file that names data by DVC's hash. ``MLFLOW``: a data set that a run has logged.

    ``LOG``: requests of an endpoint, ``LABELS``: what turned out of them, ``LISTS``: which files retrainings froze; all
    grow, and their files are the desk's.
    """

    FILE = "file"
    FOLDER = "folder"
    DVC = "dvc"
    MLFLOW = "mlflow"
    QUERY = "query"
    LOG = "log"
    LABELS = "labels"
    LISTS = "lists"


class SetState(StrEnum):
    """``SAME``: at the last look it was what the newest version says. ``CHANGED``: a look found another manifest.

    ``GONE``: its place was looked into, and it is not there. ``UNKNOWN``: nobody has looked, or nobody could.
    ``LOOKING``: it is hashed now. ``GROWS``: it is a log, which is another one each minute.
    """

    SAME = "same"
    CHANGED = "changed"
    GONE = "gone"
    UNKNOWN = "unknown"
    LOOKING = "looking"
    GROWS = "grows"


class PersonalData(StrEnum):
    """Whether a set holds data of persons; ``UNKNOWN`` until somebody has said so."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DataPlace:
    """Where a set lies. Which fields there are depends on the kind.

    ``path`` is absolute; ``run`` and ``dataset`` name what a run has logged (``source`` as it says it, which is text
    from outside and opens nothing); ``database`` is an address without its password, which the secret ``login`` has.
    """

    kind: DataKind
    path: str | None = None
    run: str | None = None
    dataset: str | None = None
    source: str | None = None
    database: str | None = None
    query: str | None = None
    login: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class DataColumn:
    """A column and its kind, as drift decides it; None for arrays, objects and bytes."""

    name: str
    kind: ColumnKind | None


@dataclass(frozen=True, slots=True)
class DataVersion:
    """What a set was at one look. Nothing is told that was not seen: what is not known is None.

    ``sha256`` is of the manifest: the sorted list of (target, path, size, SHA-256) that pipelines freeze data by;
    ``digest`` is what MLflow or DVC calls it by, or the hash of a query's rows in any order (``rows:…``), which is None
    where there are too many. ``query_sha256`` is of the query's text. ``seen_at`` and ``last_at``
    are Unix seconds. ``columns_why`` says why
    none are known. ``seen_by`` names the pipeline or the run that told of it; None: a look of the catalogue itself.
    """

    dataset: str
    number: int
    seen_at: float | None = None
    last_at: float | None = None
    sha256: str | None = None
    digest: str | None = None
    size_bytes: int | None = None
    files: int | None = None
    rows: int | None = None
    columns: tuple[DataColumn, ...] = ()
    columns_why: str | None = None
    seen_by: str | None = None
    query_sha256: str | None = None


class DataUserKind(StrEnum):
    """What stands on data."""

    RUN = "run"
    MODEL = "model"
    ENDPOINT = "endpoint"
    MONITOR = "monitor"
    PIPELINE = "pipeline"


@dataclass(frozen=True, slots=True)
class DataUser:
    """Something that stands on a set: a run, MODEL/VERSION, an endpoint, a monitor, a pipeline, by its name or id.

    ``version`` is the number of the version that it stands on, None where nobody knows which; ``how`` says as what.
    """

    kind: DataUserKind
    name: str
    how: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class SetTraits:
    """What people say of a set. ``retention_days``: how long its rows are to be kept, None: nobody has said."""

    data_owner: str | None = None
    licence: str | None = None
    retention_days: float | None = None
    personal: PersonalData = PersonalData.UNKNOWN
    notes: str | None = None


@dataclass(frozen=True, slots=True)
class DataLook:
    """How the last look went, at the Unix time ``at``: ``text`` says in a sentence what it found, or why it could not.

    ``state`` is never ``LOOKING``: what breaks off leaves how it was before.
    """

    state: SetState
    at: float
    text: str = ""
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """What is kept of a set that somebody has registered, or has said something about. Times are Unix seconds."""

    name: str
    place: DataPlace
    created_at: float
    traits: SetTraits = field(default_factory=SetTraits)
    look: DataLook | None = None
    created_by: int | None = None
    updated_at: float | None = None


@dataclass(frozen=True, slots=True)
class DataSetBrief:
    """A line of the catalogue. ``is_registered``: somebody has; else the desk knows of it by itself.

    ``place`` is told as a person reads it. ``versions`` counts those known, ``users`` what stands on it. ``sha256``,
    ``digest``, ``size_bytes`` and ``files`` are of the newest version. ``kept_days``: how long the desk keeps its rows
    without being asked, the longer of the setting and what is said of the set; None: the desk deletes nothing of it by
    its age.
    """

    name: str
    kind: DataKind
    place: str
    state: SetState
    text: str = ""
    looked_at: float | None = None
    is_registered: bool = False
    sha256: str | None = None
    digest: str | None = None
    size_bytes: int | None = None
    files: int | None = None
    versions: int = 0
    users: int = 0
    traits: SetTraits = field(default_factory=SetTraits)
    kept_days: float | None = None


@dataclass(frozen=True, slots=True)
class LookProgress:
    """How far a look is that is under way: files and bytes that were read. ``is_stopping``: it was asked to stop."""

    began: float
    files: int = 0
    size_bytes: int = 0
    is_stopping: bool = False


@dataclass(frozen=True, slots=True)
class DataSet:
    """All that is known of one set. ``versions`` are newest first, ``columns`` those of the newest that has any.

    ``missing`` says in sentences what could not be asked: users may be lacking then.
    """

    brief: DataSetBrief
    place: DataPlace
    columns: tuple[DataColumn, ...] = ()
    columns_why: str | None = None
    versions: tuple[DataVersion, ...] = ()
    users: tuple[DataUser, ...] = ()
    progress: LookProgress | None = None
    hint: str | None = None
    missing: tuple[str, ...] = ()
    created_by: int | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.created_by)


@dataclass(frozen=True, slots=True)
class DataUse:
    """What one thing stands on: a set, as what, and what is said of it."""

    dataset: str
    kind: DataKind
    how: str
    state: SetState
    version: int | None = None
    sha256: str | None = None
    digest: str | None = None
    traits: SetTraits = field(default_factory=SetTraits)
