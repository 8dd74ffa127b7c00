"""The verb about what endpoints can be served by, which the service has from here."""

from abc import ABC
from collections.abc import Callable

from mlops_desk.base.errors import DeskError
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.serving.runtime_choice import RuntimeChoice
from mlops_desk.serving.image.maker import Maker
from mlops_desk.serving.replicas.wishes import check_gpus
from mlops_desk.serving.runtimes import choice
from mlops_desk.serving.templates.catalogue import RuntimeTemplates
from mlops_desk.serving.templates.choices import choices
from mlops_desk.serving.verbs.fit import Weigh


class RuntimeVerbs(ABC):
    """Stands on what the service has made."""

    _maker: Maker
    _templates: RuntimeTemplates
    _resolve: Callable[[str], ModelVersion]
    _weigh: Weigh

    def _check_runtime(self, wanted: str, version: ModelVersion, gpus: int | None) -> None:
        """Raise Invalid (a word that is no runtime), Refused (one that can't be had) and Unavailable."""
        choice.order(wanted, self._maker.trained(version), self._templates.words())
        self._templates.check(wanted, gpus)

    def runtimes(self, model: str | None = None, gpus: int | None = None) -> list[RuntimeChoice]:
        """List what a version, or any, can be served by; raises Invalid, NotFound, Unavailable."""
        version = None if model is None else self._resolve(model)
        formats = None if version is None else self._formats(version)
        return choices(self._maker.trained, self._templates, version, check_gpus(gpus), formats)

    def _formats(self, version: ModelVersion) -> tuple[str, ...] | None:
        """Return how a version's files are kept; None where nobody can tell, which stands against no runtime."""
        try:
            return self._weigh(version).formats
        except DeskError:
            return None
