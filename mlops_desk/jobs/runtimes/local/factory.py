"""Makes the local runtime of an engine, with what the settings say of it.

What no job may mount, and the look at a job's mounts with its submitter's eyes, in a process of its own.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from mlops_desk.engines.engine import Engine
from mlops_desk.engines.logins.private_images import PrivateImages
from mlops_desk.gpus.leases.folders import PREFIX as LEASES
from mlops_desk.gpus.leases.folders import folders_from_environment
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.disk_shares import shares_of, staging_folder
from mlops_desk.jobs.runtimes.local.launch import StagedMounts
from mlops_desk.jobs.runtimes.local.ports import GpuLeases, ImageSupply
from mlops_desk.jobs.runtimes.local.runtime import LocalRuntime, Policy
from mlops_desk.kit.base.disk.paths import DataFolder, default_root, runtime_folder
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.network import network_of
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.settings import SettingsStore

_TIMEOUT_SECONDS = 10.0  # a mount that is looked at may lie on a file server that does not answer


def private_paths(root: Path, engines: Iterable[str]) -> tuple[str, ...]:
    """Return what must not be seen in any job: data folders, sockets (of the ``engines``, by address), leases."""
    leases = [path for shared in folders_from_environment() for path in shared.glob(f"{LEASES}*")]
    paths = [root, default_root(), runtime_folder(), *leases]
    sockets = [address.removeprefix("unix://") for address in engines if address.startswith("unix://")]
    return (*map(str, paths), *sockets)


class MountCheck:
    """``private`` returns the paths of what must not be seen in any job, ``roots`` of what may be (None: anything).

    ``made`` is the folder of data sets that the desk made for jobs: what lies in it may be read.
    """

    def __init__(
        self,
        private: Callable[[], tuple[str, ...]],
        roots: Callable[[], Sequence[str] | None] = lambda: None,
        made: Path | None = None,
    ) -> None:
        self._made = made
        self._private = private
        self._roots = roots

    def __call__(self, spec: JobSpec, uid: int, settled: bool) -> tuple[str, ...]:
        """Return where the mounts really lie. Raises Refused for what no job gets, now that it is looked at."""
        if not spec.mounts:
            return ()
        request = {
            "uid": uid,
            "private": self._private(),
            "settled": settled,
            "roots": self._roots(),
            "made": None if self._made is None else str(self._made),
            "mounts": [{"source": m.source, "target": m.target, "mode": m.mode} for m in spec.mounts],
        }
        return tuple(run_worker("mlops_desk.jobs.runtimes.local.mounts.access", request, _TIMEOUT_SECONDS))


def local_runtime(
    name: str,
    engine: Engine,
    leases: GpuLeases,
    folder: DataFolder,
    settings: SettingsStore,
    addresses: Callable[[], Iterable[str]],
    proven: Callable[[str, tuple[str, ...]], None] = lambda _level, _gpus: None,
    relaxed: Callable[[Job], None] = lambda _job: None,
    loop: Loop | None = None,
    private_images: PrivateImages | None = None,
    staged: StagedMounts = lambda _job: (),
    supply: ImageSupply | None = None,
) -> LocalRuntime:
    """Return the runtime ``name``; ``addresses`` are those of all engines, whose sockets no job gets.

    ``proven`` hears how GPUs were seen in its containers, ``relaxed`` of jobs with points of the profile relaxed.
    ``loop`` has the threads of who listens to them; None: nobody does. ``staged`` tells where copies of data lie,
    ``supply`` brings their images.
    """

    def private() -> tuple[str, ...]:
        return (*private_paths(folder.root, addresses()), str(staging_folder(folder, settings)))

    policy = Policy(
        lambda: int(settings.number("jobs.stop_grace_seconds")),
        lambda: settings.switch("jobs.keep_containers"),
        MountCheck(private, lambda: settings.text("jobs.mount_roots").split(), folder.datasets),
        lambda: int(settings.number("jobs.out_mebibytes")) << 20,
        sources=folder.sources,
        proven=proven,
        relaxable=lambda: settings.text("jobs.relaxable").split(),
        relaxed=relaxed,
        logs_bytes=lambda: shares_of(settings).logs,
        loop=loop,
        jobs_without_gpus=lambda: int(settings.number("queue.jobs_without_gpus")),
        network=partial(network_of, settings),
        private_images=private_images or PrivateImages(),
        staged=staged,
        supply=supply,
        engines=addresses,
    )
    return LocalRuntime(name, engine, leases, folder.jobs, folder.instance, policy)
