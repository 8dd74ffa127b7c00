"""Job files that were made of something else: a ``docker run`` line, a Compose file, an MLproject."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImportNote:
    """One thing that did not come over as it was. ``lost``: nothing of it is in the job file; else it was changed.

    ``option`` is named as it was written (``--privileged``, ``services.train.network_mode``), ``why`` says why, and
    what there is instead.
    """

    option: str
    value: str
    lost: bool
    why: str


@dataclass(frozen=True, slots=True)
class ImportedJob:
    """A job file (``spec``, YAML), and what was lost or changed on the way."""

    name: str
    spec: str
    notes: tuple[ImportNote, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedJobs:
    """All job files of an import, in the order in which they can be submitted. ``kind`` is what they were made of."""

    kind: str
    jobs: tuple[ImportedJob, ...]
