"""Where the engines meet the rest of the desk: who is told what was seen in containers, and what is written of it.

The container engines as a verb: what can be reached, what each is, and where GPUs were seen in a container.
"""

import json
import logging
import time
from builtins import list as list_of
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from shutil import which
from time import localtime, strftime

from mlops_desk.engines.dialects import CDI, DOCKER, PODMAN, cdi_gpus
from mlops_desk.engines.discovery import Ask, Candidate, candidates, look
from mlops_desk.engines.engine import Engine, EngineInfo
from mlops_desk.engines.gpu_verification import Proofs
from mlops_desk.engines.logins.private_images import PrivateImages
from mlops_desk.engines.records.engine import FoundEngine, GpuProof
from mlops_desk.engines.records.relaxations import OPENS
from mlops_desk.engines.security_profile import JOBS_INTERFACE
from mlops_desk.engines.table import EngineTable
from mlops_desk.jobs.records.job import LOCAL_RUNTIME, Job
from mlops_desk.jobs.runtimes.local.container import INSTANCE_LABEL, MEMORY
from mlops_desk.jobs.runtimes.local.factory import local_runtime
from mlops_desk.jobs.runtimes.local.launch import StagedMounts
from mlops_desk.jobs.runtimes.local.ports import GpuLeases, ImageSupply
from mlops_desk.jobs.runtimes.local.runtime import LocalRuntime
from mlops_desk.jobs.runtimes.local.tmpfs import sweep
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.records.agent import AuditEntry, Check
from mlops_desk.machine.records.status import Status

_ALL_SECONDS = 40.0  # chosen: a dozen places that are all silent, and less than a verb may take


class EnginesService:
    """Implements ``verbs.Engines``. ``where`` returns the places to ask, ``ask`` asks one."""

    def __init__(
        self, where: Callable[[], Iterable[Candidate]], proofs: Proofs, loop: Loop, ask: Ask | None = None
    ) -> None:
        self._where = where
        self._proofs = proofs
        self._loop = loop
        self._ask = ask

    def list(self) -> list_of[FoundEngine]:
        """Ask everywhere, one after the other. Raises TimedOut."""
        return self._loop.call("engines", lambda: look(self._where(), self._proofs.all(), self._ask), _ALL_SECONDS)


# The doctor's checks of GPUs in containers: what was seen there, and whether CDI names the GPUs that there are.
PROOF = "gpus seen in containers"
FILES = "cdi files"
LIMITS = "limits of containers"
APART = "network of jobs"
NETWORK_TOOLS = "network tools of the engine"
_PACKAGE_OF = {"nft": "nftables", "netavark": "netavark"}
"""Without these Podman starts no container on a network of its own (tried on 5.4.2); the packages that bring them."""
_TOOL_FOLDERS = (
    "/usr/local/libexec/podman:/usr/local/lib/podman:/usr/libexec/podman:/usr/lib/podman:/usr/sbin:/sbin:/usr/bin:/bin"
)
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENS = "0A"  # TCP_LISTEN of the kernel (net/tcp_states.h)
_SHOWN_PORTS = 12  # chosen: a line
_GENERATE = "sudo nvidia-ctk cdi generate --device-name-strategy=uuid --output=/etc/cdi/nvidia.yaml"
_HOW = {"uuid": "by their UUIDs", "minor": "by their device files"}


def proof_check(proof: GpuProof | None, has_gpus: bool) -> Check:
    """Tell whether GPUs were ever seen inside a container of this machine's engine: no setting says so."""
    if proof is not None:
        when = strftime("%Y-%m-%d %H:%M", localtime(proof.at))
        count = "1 GPU" if len(proof.gpus) == 1 else f"{len(proof.gpus)} GPUs"
        return Check(PROOF, "ok", f"{count} seen {_HOW.get(proof.level, proof.level)} on {when}")
    if not has_gpus:
        return Check(PROOF, "ok", "no GPU to see")
    return Check(PROOF, "unknown", "not yet: the first job with a GPU proves it before its command runs")


def limits_check(info: EngineInfo) -> Check:
    """Tell whether jobs are held to the processors and the memory that they ask for."""
    if info.holds_limits:
        return Check(LIMITS, "ok", f"{info.name} holds containers to their processors and memory")
    text = f"{info.name} without root holds no container to its processors and memory with cgroup v1"
    return Check(LIMITS, "warning", f"{text}; the kernel option systemd.unified_cgroup_hierarchy=1 brings v2")


def open_ports(tables: Collection[Path] = _TABLES) -> set[int] | None:
    """Return the ports at which programs of this machine listen on all its addresses; None: not known."""
    found: set[int] = set()
    try:
        for table in tables:
            for line in table.read_text("ascii", "replace").splitlines()[1:]:
                words = line.split()
                address, _, port = words[1].partition(":")
                if words[3] == _LISTENS and not int(address, 16):
                    found.add(int(port, 16))
    except (OSError, ValueError, IndexError):
        return None
    return found


def apart_check(info: EngineInfo, listening: set[int] | None) -> Check:
    """Tell whether jobs are kept from one another, and which services of this machine they reach besides."""
    if not info.keeps_apart:
        text = f"jobs on {info.name} reach one another's ports: it has no network that keeps its containers apart"
        return Check(APART, "warning", f"{text}; network: none in a job file closes that job's off")
    if listening is None:
        return Check(APART, "unknown", "jobs are kept apart; which services of this machine they reach is not known")
    if not listening:
        return Check(APART, "ok", "jobs are kept apart, and no service of this machine listens on all its addresses")
    ports = sorted(listening)
    shown = ", ".join(map(str, ports[:_SHOWN_PORTS])) + (
        f" and {len(ports) - _SHOWN_PORTS} more" * (len(ports) > _SHOWN_PORTS)
    )
    text = (
        f"jobs are kept apart; unless a firewall is in the way they reach the services that listen on all addresses of "
        f"this machine: ports {shown}. Let these listen on 127.0.0.1, or keep jobs off them"
    )
    rule = f"sudo iptables -I INPUT -i {JOBS_INTERFACE} -p tcp --dport {ports[0]} -j DROP"
    has_bridge = info.name == DOCKER.name and not info.rootless  # others have no bridge that is seen here by that name
    return Check(APART, "warning", text, rule if has_bridge else None)


def network_tools_check(info: EngineInfo, has: Callable[[str], bool]) -> Check:
    """Tell before the first job whether Podman finds what makes a job's network; Docker brings its own."""
    missing = [program for program in _PACKAGE_OF if info.name == PODMAN.name and not has(program)]
    if not missing:
        return Check(NETWORK_TOOLS, "ok", "nothing is missing")
    text = (
        f"jobs on Podman can't start: {' and '.join(missing)} {'are' if missing[1:] else 'is'} missing on this machine"
    )
    return Check(
        NETWORK_TOOLS, "problem", text, f"sudo apt-get install {' '.join(_PACKAGE_OF[name] for name in missing)}"
    )


def has_network_tool(program: str) -> bool:
    """Return whether a program is where Podman looks for those of its networks."""
    return which(program, path=_TOOL_FOLDERS) is not None


def files_check(info: EngineInfo, uuids: Collection[str], named: Callable[[], set[str] | None]) -> Check:
    """Tell whether CDI names this machine's GPUs, where the engine hands them over by it."""
    if info.gpu_route != CDI or not uuids:
        return Check(FILES, "ok", "GPUs are not handed over by CDI" if uuids else "no GPU to name")
    names = named()
    if names is None:
        return Check(FILES, "problem", f"{info.name} hands GPUs over by CDI, and no file names them", _GENERATE)
    missing = sorted(set(uuids) - names)
    if missing:
        text = f"not named by UUID: {', '.join(missing[:4])}; the files are older than the GPUs, or name them by number"
        return Check(FILES, "problem", text, _GENERATE)
    stale = sorted(name for name in names - set(uuids) if name.startswith("GPU-"))
    if stale:
        text = f"all GPUs are named, and some that are not there: {', '.join(stale[:4])}"
        return Check(FILES, "warning", text, _GENERATE)
    return Check(FILES, "ok", f"all {len(uuids)} GPUs are named by UUID")


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
            NETWORK_TOOLS: lambda: network_tools_check(engine.info(), has_network_tool),
            FILES: lambda: files_check(engine.info(), [gpu.uuid for gpu in status().gpus], cdi_gpus),
        }
