"""The simulated NVML library: built from the C beside this file, driven by a scenario (README.md says how one is written).

It stands for the hardware that no test machine has. Where there is no C compiler the tests marked ``nvml`` are left out.
"""

import hashlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "source"
BUILD = HERE.parents[1] / "build"
LIBRARY = "libnvidia-ml.so.1"
PROFILES = {"current": None, "r535": "r535.map", "r470": "r470.map"}
"""Drivers by name, the older ones with the list of functions that they lack."""
_COMPILE = ("-O2", "-g", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-fPIC", "-pthread")
_LINK = ("-shared", "-pthread", f"-Wl,-soname,{LIBRARY}", "-Wl,-z,defs")
_BUILD_SECONDS = 120


def available() -> bool:
    """Say whether the library can be built here."""
    return shutil.which("cc") is not None


def build() -> Path:
    """Build the library for each profile, or find it built before; return the folder of the profiles' folders.

    Raises RuntimeError with what the compiler said.
    """
    digest = hashlib.sha256(repr((_COMPILE, _LINK)).encode())
    for path in sorted(SOURCES.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    target = BUILD / f"nvml-sim-{digest.hexdigest()[:12]}"
    if target.is_dir():
        return target
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".nvml-sim-", dir=BUILD) as scratch:
        made = Path(scratch) / "made"
        objects = made / "objects"
        objects.mkdir(parents=True)
        _run("cc", *_COMPILE, "-fvisibility=hidden", "-c", *map(str, sorted(SOURCES.glob("*.c"))), folder=objects)
        for profile, lacks in PROFILES.items():
            (made / profile).mkdir()
            script = [f"-Wl,--version-script={SOURCES / lacks}"] if lacks else []
            inputs = map(str, sorted(objects.glob("*.o")))
            _run("cc", *_LINK, *script, "-o", LIBRARY, *inputs, "-lm", folder=made / profile)
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():  # another run was faster
                raise
    return target


def _run(*command: str, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_BUILD_SECONDS)
    if done.returncode:
        raise RuntimeError(f"the simulated NVML library could not be built:\n{done.stderr}")


class Simulator:
    """A scenario that running clients follow: what is injected holds within 0.1 s."""

    def __init__(self, folder: Path, scenario: str, profile: str = "current", renewal_seconds: float = 0.1) -> None:
        """Play ``scenario``. The file of counts is renewed every ``renewal_seconds``, by whoever is calling just then."""
        self._library = build() / profile
        self._renewal_seconds = renewal_seconds
        self.scenario = folder / "scenario.conf"
        self.scenario.write_text(scenario)
        self.live = folder / "scenario.conf.live"
        self.calls = folder / "calls.%p"

    @classmethod
    def to_be_timed(cls, folder: Path, name: str) -> "Simulator":
        """Play the scenario file ``name`` with little of the simulator's own work, which its callers are charged for.

        To look for changes and to write the counts, as often as tests want it, costs more than all calls of a
        monitor: both happen once a second and once in 5 s here.
        """
        return cls(folder, (HERE / f"{name}.conf").read_text() + "\nsystem reload=1s\n", renewal_seconds=5.0)

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs in its environment."""
        return {
            "LD_LIBRARY_PATH": str(self._library),
            "NVML_SIM_SCENARIO": str(self.scenario),
            "NVML_SIM_CALLS": str(self.calls),
            "NVML_SIM_CALLS_MS": f"{1000 * self._renewal_seconds:.0f}",
        }

    def inject(self, *lines: str) -> None:
        """Add lines; each fault and event counts as new even when it was injected before."""
        old = self.live.read_text() if self.live.exists() else ""
        happens = ("fault ", "event ")
        stamped = [f"{line} id={time.time_ns():x}" if line.startswith(happens) else line for line in lines]
        self._replace(old + "\n".join(stamped) + "\n")

    def heal(self) -> None:
        """Take out everything that was injected."""
        self._replace("")

    def calls_of(self, pid: int) -> str:
        """Return the counts of calls that the process ``pid`` has made: a function and its number in each line."""
        path = Path(str(self.calls).replace("%p", str(pid)))
        return path.read_text() if path.exists() else ""

    def _replace(self, text: str) -> None:
        new = self.live.with_suffix(".new")
        new.write_text(text)
        new.replace(self.live)
