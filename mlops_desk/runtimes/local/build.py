"""Makes the local runtime of an engine, with what the settings say of it."""

from collections.abc import Callable, Iterable
from functools import partial

from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.loop import Loop
from mlops_desk.base.network.rules import network_of
from mlops_desk.base.settings import SettingsStore
from mlops_desk.engines.engine import Engine
from mlops_desk.engines.logins.private_images import PrivateImages
from mlops_desk.records.jobs.job import Job
from mlops_desk.runtimes.disk_shares import shares_of, staging_folder
from mlops_desk.runtimes.local.launch import StagedMounts
from mlops_desk.runtimes.local.mounting.check import MountCheck, private_paths
from mlops_desk.runtimes.local.ports import GpuLeases, ImageSupply
from mlops_desk.runtimes.local.runtime import LocalRuntime, Policy


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
