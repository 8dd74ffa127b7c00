"""What goes into an evidence pack, asked of the services of the house."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from packaging.requirements import InvalidRequirement, Requirement

from mlops_desk import __version__
from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.errors import NotFound
from mlops_desk.base.text import plain
from mlops_desk.desk.governance.governing import Governing
from mlops_desk.drift.monitors.service import MonitorService
from mlops_desk.governance.cards.page import markdown
from mlops_desk.governance.evidence import extract
from mlops_desk.governance.evidence.making import EvidenceMaker, PartSource, Tell
from mlops_desk.governance.evidence.verification import AUDIT
from mlops_desk.records.agent import AuditEntry
from mlops_desk.records.data.catalogue import DataUse
from mlops_desk.records.drift.monitors import MonitorStanding
from mlops_desk.records.governance.card import CardOfVersion
from mlops_desk.records.governance.policy import ApprovalWord, PromotionRequest
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.pipelines.run import PipelineRun
from mlops_desk.records.rule import Retraining
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.runs import RunsService
from mlops_desk.rules.pipeline.projection import retraining_of
from mlops_desk.rules.service import RulesService
from mlops_desk.serving.export.packages import Package, sbom
from mlops_desk.serving.service import EndpointsService
from mlops_desk.storage.audit.chain import START, place_of
from mlops_desk.storage.audit.table import AuditSearch
from mlops_desk.storage.state import State
from mlops_desk.verbs.cards import Cards

_MOST_RECORDS = 5000  # chosen: of the audit: what was done with one model in years
_MOST_WINDOWS = 1000  # chosen: of a monitor: six weeks of hours, three years of days
_MOST_RETRAININGS = 1000  # chosen: years of them


class EvidenceHouse(Protocol):
    """The services that are asked, and the state, in which the audit is."""

    models: ModelsService
    runs: RunsService
    endpoints: EndpointsService
    monitors: MonitorService
    rules: RulesService
    cards: Cards
    governing: Governing
    state: State


@contextmanager
def _begun(house: EvidenceHouse, ticket: str | None) -> Iterator[Tell]:
    with house.endpoints.begun("The evidence pack", ticket) as work:
        yield work.tell


def evidence_service(folder: DataFolder, house: EvidenceHouse, uses: Callable[[str], list[DataUse]]) -> EvidenceMaker:
    """Return what makes packs, signed with the key that exported endpoints are signed with.

    ``uses`` tells the data sets that MODEL/VERSION stands on.
    """
    told = _Told(house)
    sources = (
        PartSource("version", "version.json", lambda version: version),
        PartSource("model", "model.json", lambda version: house.models.show(version.name)),
        PartSource("facts", "facts.json", lambda version: house.models.facts(version.name, version.version)),
        PartSource("packages", "sbom.cdx.json", told.bill),
        PartSource("run", "run.json", lambda version: house.runs.show(version.run_id) if version.run_id else None),
        PartSource("data", "data.json", lambda version: uses(f"{version.name}/{version.version}")),
        PartSource("lineage", "lineage.json", lambda version: house.models.lineage(version.name, version.version)),
        PartSource("openlineage", "openlineage.json", told.open_lineage),
        PartSource("aliases", "aliases.json", lambda version: house.models.history(version.name)),
        PartSource("endpoints", "endpoints.json", told.endpoints),
        PartSource("monitors", "monitors.json", told.monitors),
        PartSource("drift", "drift.json", told.drift),
        PartSource("answers", "answers.json", told.answers),
        PartSource("decisions", "decisions.json", told.decisions),
        PartSource("pipelines", "pipelines.json", told.pipelines),
        PartSource("card", "card.json", told.card),
        PartSource("card page", "card.md", told.card_page),
        PartSource("approvals", "approvals.json", told.approvals),
        PartSource("requests", "requests.json", told.requests),
        PartSource("audit", AUDIT, told.audit),
    )
    keys = folder.endpoints / "_exports"
    return EvidenceMaker(told.find, sources, keys, f"MLOps Desk {__version__}", time.time, partial(_begun, house))


class _Told:
    """What the house tells of one version. All may raise DeskErrors."""

    def __init__(self, house: EvidenceHouse) -> None:
        self._house = house

    def find(self, name: str, number: str) -> ModelVersion:
        if number.startswith("@"):
            model = self._house.models.show(name)
            number = model.aliases.get(number[1:], number)
        for version in self._house.models.versions(name):
            if version.version == number:
                return version
        raise NotFound(f"Model {plain(name)} has no version {plain(number)}.")

    def bill(self, version: ModelVersion) -> dict[str, Any] | None:
        """Return the packages that the model's files ask for, those of one version each, as CycloneDX."""
        facts = self._house.models.facts(version.name, version.version)
        packages = [one for line in facts.requirements if (one := _package(line)) is not None]
        created = datetime.fromtimestamp(version.created_at or time.time(), UTC).isoformat(timespec="seconds")
        if not packages:
            return None
        return sbom(packages, f"{version.name}/{version.version}", facts.model_id or version.version, created)

    def open_lineage(self, version: ModelVersion) -> Any:
        return self._house.models.open_lineage(version.name, version.version).events

    def endpoints(self, version: ModelVersion) -> list[Endpoint]:
        """Return the endpoints that serve the version, or have."""
        return [one for one in self._house.endpoints.list() if _has_served(one, version)]

    def monitors(self, version: ModelVersion) -> list[MonitorStanding]:
        names = {one.name for one in self.endpoints(version)}
        exact = f"{version.name}/{version.version}"
        return [
            one for one in self._house.monitors.list() if one.monitor.endpoint in names or one.monitor.model == exact
        ]

    def drift(self, version: ModelVersion) -> dict[str, Any]:
        """Return each monitor's windows, as they were judged."""
        names = [one.monitor.name for one in self.monitors(version)]
        told = {name: self._house.monitors.history(name, limit=_MOST_WINDOWS) for name in names}
        return {name: windows for name, windows in told.items() if windows}

    def answers(self, version: ModelVersion) -> dict[str, Any]:
        """Return how good answers were, of the monitors that score them."""
        names = [one.monitor.name for one in self.monitors(version) if one.answers is not None]
        return {name: self._house.monitors.performance(name, limit=_MOST_WINDOWS) for name in names}

    def pipelines(self, version: ModelVersion) -> list[PipelineRun]:
        """Return the retrainings in which the version was champion or challenger: each step, figure, gate and word.

        Their rule may be gone by now, or another may have its name: of which model they are they say themselves.
        """
        runs = self._house.state.pipelines.all_with("model", version.name)
        return [one for one in runs if version.version in {one.champion_version, one.challenger_version}]

    def decisions(self, version: ModelVersion) -> list[Retraining]:
        """Return the same in short, with who decided; and those of before there were pipelines, by their rule."""
        rules = {one.name for one in self._house.rules.list() if one.model == version.name}
        older = [
            one
            for one in self._house.rules.retrainings(limit=_MOST_RETRAININGS)
            if one.rule in rules
            and version.version in {one.champion_version, one.challenger_version}
            and self._house.state.pipelines.get(one.id) is None
        ]
        return [*map(retraining_of, self.pipelines(version)), *older]

    def card(self, version: ModelVersion) -> CardOfVersion | None:
        """Return the card with its whole history; None where nobody has written one."""
        found = self._house.cards.show(f"{version.name}/{version.version}")
        return found if found.revision else None

    def card_page(self, version: ModelVersion) -> bytes | None:
        """Return the card as a person reads it."""
        found = self.card(version)
        return None if found is None else markdown.document(found).encode()

    def approvals(self, version: ModelVersion) -> list[ApprovalWord]:
        """Return who has agreed that an alias move to the version, on which evidence, and what became of it."""
        said = self._house.state.approval_words.all_with("version", version.version)
        registry = self._house.governing.registries.where(None)[1]
        return [one for one in said if (one.model, one.registry) == (version.name, registry)]

    def requests(self, version: ModelVersion) -> list[PromotionRequest]:
        """Return who has asked that an alias move to the version, who said yes or no and why, and what came of it."""
        asked = self._house.state.promotions.all_with("version", version.version)
        registry = self._house.governing.registries.where(None)[1]
        return [one for one in asked if (one.model, one.registry) == (version.name, registry)]

    def audit(self, version: ModelVersion) -> bytes | None:
        """Return the records about the model, the endpoints that serve the version, and what was decided of it.

        Who approves names what waits by its id, and the answer of a retraining has no model in it.
        """
        decided = [*(one.id for one in self.pipelines(version)), *(one.id for one in self.requests(version))]
        names = [version.name, *(one.name for one in self.endpoints(version)), *decided]
        entries: dict[str, AuditEntry] = {}
        for name in names:
            found = self._house.state.audit.search(AuditSearch(text=name), _MOST_RECORDS)
            entries |= {one.id or "": one for one in found if _is_about(one, name)}
        links = [link for entry in entries for link in self._house.state.audit.links.list(parent=entry)]
        if not links:
            return None
        newest = self._house.state.audit.links.list(limit=1)
        before = [self._digest_before(link.number) for link in links]
        number, head = (newest[0].number, newest[0].digest) if newest else (None, None)
        return extract.written(extract.of_entries(links, before), head, number)

    def _digest_before(self, number: int) -> str | None:
        if number == 1:
            return START
        link = self._house.state.audit.links.get(place_of(number - 1))
        return None if link is None else link.digest


def _has_served(endpoint: Endpoint, version: ModelVersion) -> bool:
    served = [endpoint.model, *(one.model for one in endpoint.revisions)]
    return any((one.name, one.version) == (version.name, version.version) for one in served)


def _is_about(entry: AuditEntry, name: str) -> bool:
    """Tell whether an entry names a thing as a whole word: the model "a" is not in every record with that letter."""
    return any(_names(text, name) for text in (entry.arguments, entry.before or "", entry.outcome or ""))


def _names(text: str, name: str) -> bool:
    at = text.find(name)
    while at >= 0:
        around = text[at - 1 : at] + text[at + len(name) : at + len(name) + 1]
        if not any(one.isalnum() or one in "_-." for one in around):
            return True
        at = text.find(name, at + 1)
    return False


def _package(line: str) -> Package | None:
    """Return the package of a requirement that names one version; None for any other line."""
    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        return None
    exact: Sequence[str] = [one.version for one in wanted.specifier if one.operator in {"==", "==="}]
    return Package(wanted.name, exact[0]) if len(exact) == 1 else None
