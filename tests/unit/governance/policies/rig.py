"""A registry in memory behind the real gate, and people who come one after the other."""

import os
from types import SimpleNamespace

from mlops_desk.automation.rules.approvals import ApprovalsService
from mlops_desk.governance.policy_gate import Governing
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import NotFound, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.event import GovernanceChanged, Notice
from mlops_desk.registry.aliases.journal import AliasJournal
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.records.model import Run
from mlops_desk.registry.registries import Registries
from mlops_desk.registry.service import RegistryCore

ANNA, BO, CY = 64_002, 64_003, 64_004  # no accounts of this machine


class One(Registries):
    """The desk's own registry, in memory; ``away``: it does not answer."""

    def __init__(self, server, own):
        super().__init__(server)
        self.own, self.away = own, False

    @property
    def own_is_empty(self):
        return False

    def direct(self, uri):
        return None

    def open(self, uri):
        if self.away or uri is not None:
            raise Unavailable("The registry does not answer.")
        return self.own


def _no_retraining():
    raise NotFound("There is no retraining.")


NO_RULES = SimpleNamespace(
    shelf=SimpleNamespace(tables=SimpleNamespace(firings=SimpleNamespace(list=lambda **_given: []))),
    retraining=lambda _id: _no_retraining(),
)
"""Rules that keep nothing, and ask nobody."""


class World:
    """``governing`` with its gate in front of the aliases of churn, which has four versions; version 1 is champion."""

    def __init__(self, root):
        self.folder = DataFolder(root)
        self.folder.make()
        self.own = FakeRegistry()
        for number in range(1, 5):
            self.own.add_run("e", Run(f"run-{number}", None, "FINISHED", 1, metrics={"auc": 0.9 + number / 100}))
            self.own.add_version("churn", f"run-{number}", f"models:/m-{number}", created_at=float(number))
        self.own.set_alias("churn", "champion", "1")
        self.events = []
        self.audited, self.notices = [], []
        self.jobs = {}
        self.open()

    def open(self):
        """Begin, as an agent does after a restart."""
        self.bus, self.loop = Bus(), Loop("test")
        self.bus.subscribe(GovernanceChanged, self.events.append)
        self.bus.subscribe(Notice, self.notices.append)
        self.state = State(self.folder.root / "state.db")
        journal = AliasJournal(self.state.alias_moves, self.state.alias_sights)
        self.core = RegistryCore(self.folder, self.bus, self.loop, lambda: None, journal=journal)
        self.registries = self.core.registries = One(self.core.server, self.own)
        self.models = ModelsService(self.core)
        self.governing = Governing(
            self.core, self.state, self.bus, lambda uid: uid != CY, self.jobs.get, self.audited.append
        )
        self.policies, self.promotions = self.governing.policies, self.governing.promotions
        self.approvals = ApprovalsService(NO_RULES, list, lambda *_: None)
        self.approvals.moves = self.promotions

    def restart(self):
        self.state.close()
        self.open()

    @property
    def champion(self):
        return self.own.model("churn").aliases.get("champion")

    def policy(self, people=1, **given):
        return self.policies.set("churn", people=people, **given)

    def close(self):
        as_user(os.getuid())
        assert self.loop.stop(5.0) == []
        self.state.close()


def as_user(uid):
    set_caller(Caller(uid, uid, 1))
