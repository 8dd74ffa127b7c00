"""Whose files are looked at, and how the agent is asked about them: of a run, or of a version of a model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_desk.kit.verbs.desk import ClientLike

if TYPE_CHECKING:
    from mlops_desk.registry.records.artifact_view import ArtifactView
    from mlops_desk.registry.records.model import Artifact


@dataclass(frozen=True, slots=True)
class ArtifactSource:
    """``key`` tells one source from another; ``title`` names it in a sentence ("digits version 3").

    ``files`` lists one folder ("" is the top), ``view`` looks at a file, ``save`` writes a file or a folder into a
    folder of this machine and returns where it is now.
    """

    key: str
    title: str
    files: "Callable[[ClientLike, str], Sequence[Artifact]]"
    view: "Callable[[ClientLike, str], ArtifactView]"
    save: Callable[[ClientLike, str, str], str]
