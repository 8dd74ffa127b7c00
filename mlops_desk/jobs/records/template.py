"""Job files to begin with: those that come along, and those that a person keeps."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobTemplate:
    """A job file (``spec``, YAML) under a name. ``own``: a person keeps it; the others come along.

    ``title`` says in a few words what it is for, ``help`` in some sentences what to change.
    """

    name: str
    title: str
    help: str
    spec: str
    own: bool = False
