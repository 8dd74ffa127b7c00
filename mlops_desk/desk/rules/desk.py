"""The rules of the house, made of what it has made before."""

from typing import Protocol

from mlops_desk.alerts.service import AlertsService
from mlops_desk.base.bus import Bus
from mlops_desk.base.loop import Loop
from mlops_desk.base.settings import SettingsStore
from mlops_desk.desk.drift.wiring import DriftDesk
from mlops_desk.desk.governance.governing import Governing, governed_models
from mlops_desk.desk.governance.signed_tags import SignedTags
from mlops_desk.desk.model_wiring import ModelWiring
from mlops_desk.desk.rules.wiring import RulesDesk, RulesParts
from mlops_desk.jobs.capsule.source.taking import Snapshots
from mlops_desk.jobs.service import JobsService
from mlops_desk.registry.service import RegistryCore
from mlops_desk.rules.kept.shelf import RuleShelf
from mlops_desk.serving.service import EndpointsService
from mlops_desk.storage.secrets import SecretStore
from mlops_desk.storage.state import State
from mlops_desk.telemetry.service import TelemetryService
from mlops_desk.verbs.access.permission import Permission


class RulesHouse(Protocol):
    """What rules hear of and act on; who may what is made after them."""

    rule_shelf: RuleShelf
    state: State
    bus: Bus
    loop: Loop
    store: SettingsStore
    telemetry: TelemetryService
    alerts: AlertsService
    jobs: JobsService
    endpoints: EndpointsService
    registry_core: RegistryCore
    drift_desk: DriftDesk
    governing: Governing
    snapshots: Snapshots
    permission: Permission


def rules_desk(house: RulesHouse, wiring: ModelWiring, keyring: SecretStore) -> RulesDesk:
    """Return what keeps rules, judges them and acts."""
    parts = RulesParts(
        house.rule_shelf, house.state, house.bus, house.loop, house.store, house.telemetry, house.alerts, house.jobs,
        house.endpoints, house.registry_core, house.drift_desk, keyring, lambda: house.permission,
        house.governing.approving, house.snapshots, lambda: governed_models(house.governing.ledger),
    )  # fmt: skip
    desk = RulesDesk(parts, wiring)
    desk.ci.take_tag = SignedTags(house.governing, house.loop).promote
    return desk
