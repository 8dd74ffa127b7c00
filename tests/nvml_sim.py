"""The simulated NVML library, where its sources are at hand beside the repository: built once, driven by a scenario.

``available()`` is False elsewhere; the suites then run on the shipped simulated workstation alone.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests import nvml_sim_additions

SOURCES = Path(__file__).resolve().parents[2] / "shared" / "nvml-sim"
_BUILD_SECONDS = 120


def available() -> bool:
    """Say whether the simulator can be built here."""
    return (SOURCES / "Makefile").is_file() and shutil.which("make") is not None and shutil.which("cc") is not None


def build() -> Path:
    """Build a copy of the simulator, or find the one built before; return its folder."""
    digest = hashlib.sha256(nvml_sim_additions.key())
    for path in sorted(p for p in SOURCES.rglob("*") if p.is_file()):
        digest.update(path.read_bytes())
    target = Path(tempfile.gettempdir()) / f"mlops-desk-nvml-sim-{os.getuid()}-{digest.hexdigest()[:12]}"
    if target.is_dir():
        return target
    with tempfile.TemporaryDirectory(prefix="mlops-desk-nvml-sim-") as scratch:
        copy = Path(scratch) / "copy"
        shutil.copytree(SOURCES, copy, copy_function=shutil.copyfile)
        copy.chmod(0o755)
        for folder in (p for p in copy.rglob("*") if p.is_dir()):
            folder.chmod(0o755)
        nvml_sim_additions.extend(copy)
        for goal in ("all", "profiles"):
            subprocess.run(["make", "-s", goal], cwd=copy, check=True, capture_output=True, timeout=_BUILD_SECONDS)
        try:
            shutil.move(copy, target)
        except OSError:
            if not target.is_dir():  # another run was faster
                raise
    return target


def _example(name: str) -> str:
    return (build() / "scenarios" / f"{name}.conf").read_text()


class Simulator:
    """A scenario that running clients follow: what is injected holds within 0.1 s."""

    def __init__(self, folder: Path, scenario: str, profile: str = "current", renewal_seconds: float = 0.1) -> None:
        """Play ``scenario``. The file of counts is renewed every ``renewal_seconds``, by whoever is calling just then."""
        self._built = build()
        self._renewal_seconds = renewal_seconds
        self.scenario = folder / "scenario.conf"
        self.scenario.write_text(scenario)
        self.live = folder / "scenario.conf.live"
        self.calls = folder / "calls.%p"
        self._profile = profile

    @classmethod
    def of_example(cls, folder: Path, name: str) -> "Simulator":
        """Play one of the scenarios that come with the simulator."""
        return cls(folder, _example(name))

    @classmethod
    def to_be_timed(cls, folder: Path, name: str) -> "Simulator":
        """Play an example with little of the simulator's own work, which its callers would be charged for.

        To look for changes and to write the counts, as often as tests want it, costs more than all calls of a
        monitor: both happen once a second and once in 5 s here.
        """
        return cls(folder, _example(name) + "\nsystem reload=1s\n", renewal_seconds=5.0)

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs in its environment."""
        return {
            "LD_LIBRARY_PATH": str(self._built / "build" / self._profile),
            "NVML_SIM_SCENARIO": str(self.scenario),
            "NVML_SIM_CALLS": str(self.calls),
            "NVML_SIM_CALLS_MS": f"{1000 * self._renewal_seconds:.0f}",
        }

    def inject(self, *lines: str) -> None:
        """Add lines; each counts as new even when it was injected before."""
        old = self.live.read_text() if self.live.exists() else ""
        stamped = [f"{line} id={time.time_ns():x}" if line.startswith("fault ") else line for line in lines]
        self._replace(old + "\n".join(stamped) + "\n")

    def heal(self) -> None:
        """Take out everything that was injected."""
        self._replace("")

    def calls_of(self, pid: int) -> str:
        """Return the counts of calls that the process ``pid`` has made."""
        path = Path(str(self.calls).replace("%p", str(pid)))
        return path.read_text() if path.exists() else ""

    def _replace(self, text: str) -> None:
        new = self.live.with_suffix(".new")
        new.write_text(text)
        new.replace(self.live)
