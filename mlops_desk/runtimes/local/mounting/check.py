"""What no job may mount, and the look at a job's mounts with its submitter's eyes, in a process of its own."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mlops_desk.base.disk.paths import default_root, runtime_folder
from mlops_desk.base.process import run_worker
from mlops_desk.leases.folders import PREFIX as LEASES
from mlops_desk.leases.folders import folders_from_environment
from mlops_desk.records.jobs.spec import JobSpec

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
        return tuple(run_worker("mlops_desk.runtimes.local.mounting.access", request, _TIMEOUT_SECONDS))
