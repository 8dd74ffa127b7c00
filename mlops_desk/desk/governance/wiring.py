"""The services of governance, built of what the desk has."""

from collections.abc import Callable
from typing import Protocol

from mlops_desk.base.bus import Bus
from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.loop import Loop
from mlops_desk.desk.audit import AuditTrail
from mlops_desk.desk.governance.card_facts import CardHouse
from mlops_desk.desk.governance.cards import cards_service
from mlops_desk.desk.governance.data import CatalogueHouse, data_service
from mlops_desk.desk.governance.evidence import EvidenceHouse, evidence_service
from mlops_desk.desk.governance.governing import Governing, admits
from mlops_desk.desk.governance.labels import labels_service
from mlops_desk.governance.cards.service import CardsService
from mlops_desk.governance.data.keeping import DataKeeping
from mlops_desk.governance.data.service import DataService
from mlops_desk.governance.evidence.making import EvidenceMaker
from mlops_desk.governance.labels.service import LabelsService
from mlops_desk.jobs.service import JobsService
from mlops_desk.registry.service import RegistryCore
from mlops_desk.rules.approvals import ApprovalsService
from mlops_desk.storage.secrets import SecretStore
from mlops_desk.storage.state import State
from mlops_desk.verbs.access.policy import AccessPolicy


class GoverningHouse(Protocol):
    """What policies stand on."""

    registry_core: RegistryCore
    state: State
    bus: Bus
    jobs: JobsService
    audit: AuditTrail


class GovernedHouse(EvidenceHouse, CardHouse, CatalogueHouse, Protocol):
    """What else is told of versions, and who governs."""

    bus: Bus
    loop: Loop
    governing: Governing


def governing(house: GoverningHouse, policy: Callable[[], AccessPolicy]) -> Governing:
    """Return what every move of an alias passes: made before whatever moves one."""
    return Governing(
        house.registry_core, house.state, house.bus, admits(policy), house.jobs.find_by_run, house.audit.put
    )


def governance(
    folder: DataFolder, house: GovernedHouse, approvals: ApprovalsService, keyring: SecretStore
) -> tuple[CardsService, EvidenceMaker, LabelsService, DataService, DataKeeping]:
    """Return what keeps cards, makes evidence, asks for labels and knows of data.

    Approvals know from now on of moves that are asked for.
    """
    approvals.moves = house.governing.promotions
    cards = cards_service(house, house.governing.registries, folder.instance, house.bus, house.loop)
    house.governing.join(cards)
    data, keeping = data_service(folder, house, keyring)
    evidence, labels = evidence_service(folder, house, data.uses), labels_service(house.endpoints, house.monitors)
    return cards, evidence, labels, data, keeping
