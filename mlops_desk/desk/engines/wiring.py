"""Where the engines meet the rest of the desk: who is told what was seen in containers, and what is written of it."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial

from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.errors import DeskError
from mlops_desk.base.loop import Loop
from mlops_desk.base.settings import SettingsStore
from mlops_desk.desk.engines.checks import (
    APART,
    FILES,
    LIMITS,
    PROOF,
    apart_check,
    files_check,
    limits_check,
    open_ports,
    proof_check,
)
from mlops_desk.desk.engines.service import EnginesService
from mlops_desk.engines.cdi import cdi_gpus
from mlops_desk.engines.discovery import candidates
from mlops_desk.engines.engine import Engine
from mlops_desk.engines.logins.private_images import PrivateImages
from mlops_desk.engines.proven import Proofs
from mlops_desk.engines.table import EngineTable
from mlops_desk.records.agent import AuditEntry, Check
from mlops_desk.records.jobs.job import LOCAL_RUNTIME, Job
from mlops_desk.records.relaxations import OPENS
from mlops_desk.records.status import Status
from mlops_desk.runtimes.local.build import local_runtime
from mlops_desk.runtimes.local.container import INSTANCE_LABEL
from mlops_desk.runtimes.local.launch import StagedMounts
from mlops_desk.runtimes.local.memory.sweep import sweep
from mlops_desk.runtimes.local.ports import GpuLeases, ImageSupply
from mlops_desk.runtimes.local.runtime import LocalRuntime
from mlops_desk.runtimes.local.secret_files import MEMORY

_log = logging.getLogger(__name__)

_SWEEP_SECONDS = 3600.0  # chosen: a secret that nobody needs lies there no longer than that


class EngineWiring:
    """``record`` keeps an entry of the audit trail, ``private`` knows whose images are whose."""

    def __init__(
        self, table: EngineTable, proofs: Proofs, record: Callable[[AuditEntry], None], private: PrivateImages
    ) -> None:
        self.private = private
        self._table = table
        self._proofs = proofs
        self._record = record

    def service(self, loop: Loop) -> EnginesService:
        """Return the verbs about the engines of this machine."""

        def named() -> list[tuple[str, str]]:
            return [(name, self._table.where(name)) for name in self._table.names]

        return EnginesService(lambda: candidates(named()), self._proofs, loop)

    def runtime(
        self,
        name: str,
        engine: Engine,
        gpus: GpuLeases,
        folder: DataFolder,
        store: SettingsStore,
        loop: Loop,
        staged: StagedMounts,
        supply: ImageSupply,
    ) -> LocalRuntime:
        """Return the runtime of an engine, which tells here of what it sees in its containers."""
        addresses, proven, relaxed = self._table.addresses, partial(self.note_proof, name), self.note_relaxed
        return local_runtime(
            name, engine, gpus, folder, store, addresses, proven, relaxed, loop, self.private, staged, supply
        )  # fmt: skip

    def keep_memory(self, instance: str, engines: Mapping[str, Engine], loop: Loop) -> None:
        """Remove now and then what agents that are gone have left in memory; ``engines`` are all, by name."""

        def turn() -> None:
            try:
                found = {self._table.where(name): engine for name, engine in engines.items()}
            except DeskError as error:  # an address that is none: then nothing can be proven
                _log.debug("What is left in memory is not looked at: %s", error.message)
                return
            sweep(MEMORY, instance, found, INSTANCE_LABEL)

        loop.repeat("memory", _SWEEP_SECONDS, turn)

    def note_proof(self, name: str, level: str, gpus: tuple[str, ...]) -> None:
        """Remember that GPUs were seen in a container of an engine."""
        self._proofs.note(self._table.where(name), level, gpus)

    def note_relaxed(self, job: Job) -> None:
        """Keep in the audit trail which points of the hardened profile don't hold for a job that is placed now."""
        opened = {name: OPENS.get(name, "") for name in job.spec.relax}
        told = json.dumps({"job_id": job.id, "relax": opened}, ensure_ascii=False)
        self._record(AuditEntry(time.time(), job.submitted_by, job.user, "jobs.relax", told, outcome="placed"))

    def checks(self, engine: Engine, status: Callable[[], Status]) -> dict[str, Callable[[], Check]]:
        """Return the doctor's checks of GPUs in containers."""
        return {
            PROOF: lambda: proof_check(self._proofs.of(self._table.where(LOCAL_RUNTIME)), bool(status().gpus)),
            LIMITS: lambda: limits_check(engine.info()),
            APART: lambda: apart_check(engine.info(), open_ports()),
            FILES: lambda: files_check(engine.info(), [gpu.uuid for gpu in status().gpus], cdi_gpus),
        }
