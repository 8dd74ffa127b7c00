"""What goes into an evidence pack, asked of the services of the house."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from packaging.requirements import InvalidRequirement, Requirement

from mlops_desk import __version__
from mlops_desk.automation.records.firing import KeptFiring
from mlops_desk.automation.records.pipelines.decision import DecisionWord
from mlops_desk.automation.records.pipelines.run import PipelineRun, StepName, StepState
from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState
from mlops_desk.automation.rules.pipeline.repository import retraining_of
from mlops_desk.automation.rules.service import RulesService
from mlops_desk.drift.monitors.service import MonitorService
from mlops_desk.drift.records.monitors import MonitorStanding
from mlops_desk.governance.cards.page import markdown
from mlops_desk.governance.cards.service import CardsService
from mlops_desk.governance.evidence import extract
from mlops_desk.governance.evidence.pack_builder import EvidenceMaker, PartSource, Tell
from mlops_desk.governance.evidence.verification import AUDIT
from mlops_desk.governance.policy_gate import Governing
from mlops_desk.governance.records.card import CardAct, CardOfVersion
from mlops_desk.governance.records.data.catalogue import DataUse
from mlops_desk.governance.records.policy import ApprovalWord, PromotionRequest
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.storage.audit.chain import START, place_of
from mlops_desk.kit.storage.audit.table import AuditSearch
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.records.evidence import ApprovedThing, PackedApproval
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.registry.runs import RunsService
from mlops_desk.serving.export.packages import Package, sbom
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.service import EndpointsService

# Every yes to a model version, whatever it was said to, in the one form in which an evidence pack lists it. Pure.
_ASKS = "ApprovalAction"


def of_policy(word: ApprovalWord, *, is_retraining: bool) -> PackedApproval:
    """Return a word that counts for a policy, with the evidence it was said on."""
    return PackedApproval(
        ApprovedThing.RETRAINING if is_retraining else ApprovedThing.PROMOTION, word.subject, word.model, word.version,
        word.user, word.at, word.why, word.alias, word.id, word.registry, word.evidence_sha256, word.kind,
        word.identity, word.state, word.tag, word.tag_object,
    )  # fmt: skip


def of_request(request: PromotionRequest) -> list[PackedApproval]:
    """Return who agreed that an alias move."""
    made = PackedApproval(
        ApprovedThing.PROMOTION, request.id, request.model, request.version, "", None, "", request.alias
    )
    return _each(made, request.said)


def of_pipeline(run: PipelineRun, *, by_policy: bool) -> list[PackedApproval]:
    """Return who agreed to a challenger; where no words were kept, and no policy has any, who decided it."""
    made = PackedApproval(
        ApprovedThing.RETRAINING, run.id, run.model, run.challenger_version or "", "", None, "", run.alias
    )
    if run.said or by_policy or not run.decided_by or run.step(StepName.APPROVE).state is not StepState.DONE:
        return _each(made, run.said)
    return [replace(made, user=run.decided_by, at=run.decided_at)]


def of_old(retraining: Retraining, version: ModelVersion) -> list[PackedApproval]:
    """Return who approved a retraining of before there were pipelines."""
    if retraining.state is not RetrainState.APPROVED or not retraining.decided_by:
        return []
    challenger = retraining.challenger_version or ""
    return [
        PackedApproval(
            ApprovedThing.RETRAINING, retraining.id, version.name, challenger, retraining.decided_by,
            retraining.decided_at,
        )
    ]  # fmt: skip


def of_firing(firing: KeptFiring, run: PipelineRun) -> list[PackedApproval]:
    """Return who agreed to what a rule was to do, before it began a retraining."""
    made = PackedApproval(ApprovedThing.ACTIONS, firing.id, run.model, run.challenger_version or "", "", None)
    return [yes for step in firing.steps if step.action == _ASKS for yes in _each(made, step.said)]


def of_card(card: CardOfVersion) -> list[PackedApproval]:
    """Return who approved a revision of the card; what another desk says of its own counts for nothing here."""
    steps = () if card.is_foreign else card.steps
    return [
        PackedApproval(ApprovedThing.CARD, str(step.revision), card.model, card.version, step.by, step.at, step.why)
        for step in steps
        if step.act is CardAct.APPROVED
    ]


def _each(made: PackedApproval, said: tuple[DecisionWord, ...]) -> list[PackedApproval]:
    return [replace(made, user=word.user, at=word.at, why=word.why) for word in said if word.agrees]


_MOST_RECORDS = 5000  # chosen: of the audit: what was done with one model in years
_MOST_WINDOWS = 1000  # chosen: of a monitor: six weeks of hours, three years of days
_MOST_FIRINGS = 5000  # chosen: years of them
_MOST_RETRAININGS = 1000  # chosen: years of them


class EvidenceHouse(Protocol):
    """The services that are asked, and the state, in which the audit is."""

    models: ModelsService
    runs: RunsService
    endpoints: EndpointsService
    monitors: MonitorService
    rules: RulesService
    cards: CardsService
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
        return [*map(retraining_of, self.pipelines(version)), *self._older(version)]

    def _older(self, version: ModelVersion) -> list[Retraining]:
        rules = {one.name for one in self._house.rules.list() if one.model == version.name}
        return [
            one
            for one in self._house.rules.retrainings(limit=_MOST_RETRAININGS)
            if one.rule in rules
            and version.version in {one.champion_version, one.challenger_version}
            and self._house.state.pipelines.get(one.id) is None
        ]

    def card(self, version: ModelVersion) -> CardOfVersion | None:
        """Return the card with its whole history; None where nobody has written one."""
        found = self._house.cards.show(f"{version.name}/{version.version}")
        return found if found.revision else None

    def card_page(self, version: ModelVersion) -> bytes | None:
        """Return the card as a person reads it."""
        found = self.card(version)
        return None if found is None else markdown.document(found).encode()

    def approvals(self, version: ModelVersion) -> list[PackedApproval]:
        """Return every yes that has to do with the version, oldest first: who said it, when, to what, and why.

        A policy's words come with the evidence they were said on. The same yes stands in what it was said to as well:
        once is enough.
        """
        said = self._house.state.approval_words.all_with("version", version.version)
        registry = self._house.governing.registries.where(None)[1]
        words = [one for one in said if (one.model, one.registry) == (version.name, registry)]
        runs = self.pipelines(version)
        trained = {one.id: one for one in runs}
        listed = [of_policy(one, is_retraining=one.subject in trained) for one in words]
        known = {(one.subject, one.user) for one in words}
        judged = {one.subject for one in words}
        others = [
            *(yes for one in self.requests(version) for yes in of_request(one)),
            *(yes for one in runs for yes in of_pipeline(one, by_policy=one.id in judged)),
            *(yes for one in self._older(version) for yes in of_old(one, version)),
            *(yes for one, run in self._firings(trained) for yes in of_firing(one, run)),
            *of_card(self._house.cards.show(f"{version.name}/{version.version}")),
        ]
        listed += [one for one in others if (one.subject, one.user) not in known]
        return sorted(listed, key=lambda one: one.at or 0.0)

    def _firings(self, pipelines: Mapping[str, PipelineRun]) -> list[tuple[KeptFiring, PipelineRun]]:
        """Return the firings of rules that began retrainings, by their ids: people may have been asked before them."""
        found = self._house.state.firings.list(limit=_MOST_FIRINGS) if pipelines else []
        began = ((one, {step.made for step in one.steps}) for one in found)
        return [(one, run) for one, made in began for run_id, run in pipelines.items() if run_id in made]

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
