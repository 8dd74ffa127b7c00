"""The files of the chosen version."""

from typing import TYPE_CHECKING

from mlops_desk.ui.live.context import Context
from mlops_desk.ui.models import words
from mlops_desk.ui.models.detail.view import VersionView
from mlops_desk.ui.parts.artifacts.pane import ArtifactsPane
from mlops_desk.ui.parts.artifacts.source import ArtifactSource

if TYPE_CHECKING:
    from mlops_desk.records.registry.version_hit import VersionHit


class FilesView(VersionView):
    """Shows them in the pane that runs have theirs in, too."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pane = ArtifactsPane(context)
        self.column.addWidget(self.pane)

    def show_version(self, hit: "VersionHit | None") -> None:
        self.hit = hit
        self.pane.show_source(None if hit is None else source_of(hit, self.uri))

    def left(self) -> None:
        super().left()
        self.pane.left()


def source_of(hit: "VersionHit", uri: str | None) -> ArtifactSource:
    """Return how the agent is asked about the files of a version."""
    name, version = hit.name, hit.version
    return ArtifactSource(
        f"{uri or ''} {words.key_of(hit)}",
        words.named(hit),
        lambda desk, path: desk.models.files(name, version, path, uri=uri),
        lambda desk, path: desk.models.view(name, version, path, uri=uri),
        lambda desk, path, folder: desk.models.download(name, version, path, folder, uri=uri).path,
    )
