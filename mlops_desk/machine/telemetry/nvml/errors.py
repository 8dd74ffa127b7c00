"""Why there is no GPU to read, in words, and what to do: driver missing, not loaded, changed, forbidden, broken."""

from dataclasses import dataclass
from pathlib import Path

import pynvml

from mlops_desk.kit.base.errors import Hint
from mlops_desk.machine.telemetry.nvml.nvml_library import ErrorKind, NvmlError
from mlops_desk.machine.telemetry.nvml.pci import Pci


@dataclass(frozen=True, slots=True)
class DriverTrouble:
    """Why there is no GPU to read and what to do.

    ``fresh_process``: only a fresh process can use the driver again; ``certain``: there is no GPU that could be read.
    """

    note: str
    hint: str
    fresh_process: bool = False
    certain: bool = False


def explain(error: NvmlError, pci: Pci) -> DriverTrouble:
    """Say why the driver can't be used and what to do about it."""
    present = len(pci.nvidia_gpus())
    if error.code == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        return _library_missing(present)
    if error.code == pynvml.NVML_ERROR_DRIVER_NOT_LOADED:
        note = "The NVIDIA driver is installed but not loaded."
        hint = Hint(
            "sudo modprobe nvidia", before="Load it: ", after=". If that fails, sudo dmesg | grep -i nvidia says why."
        )
        return DriverTrouble(note, hint)
    if error.code == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
        note = (
            "The NVIDIA driver in the kernel and its library are of different versions, as after an upgrade"
            f"{_kernel_driver()}. Programs that already run on a GPU go on; new ones can't start."
        )
        return DriverTrouble(note, "Restart the machine when the running jobs are done.", fresh_process=True)
    if error.kind is ErrorKind.NO_PERMISSION:
        note = "This user may not use the NVIDIA driver."
        before = "Join the group of /dev/nvidia*, then log in again. On Debian: "
        return DriverTrouble(note, Hint("sudo usermod -aG video $USER", before=before))
    note = f"The NVIDIA driver does not start ({error})."
    after = " says more. A restart of the machine may be needed."
    return DriverTrouble(note, Hint("sudo dmesg | grep -iE 'nvidia|nvrm'", after=after))


def no_gpu(pci: Pci) -> DriverTrouble:
    """Say what it means that the driver works and lists nothing."""
    present = len(pci.nvidia_gpus())
    note = "The NVIDIA driver runs but reports no GPU."
    if present:
        note = f"The NVIDIA driver runs but reports none of the machine's {present} NVIDIA GPU(s)."
    hint = Hint(
        "sudo dmesg | grep -i nvrm", before="Compare what nvidia-smi -L and lspci -d 10de: show. ", after=" says more."
    )
    return DriverTrouble(note, hint, certain=present == 0)


def _library_missing(present: int) -> DriverTrouble:
    if present:
        note = f"This machine has {present} NVIDIA GPU(s), but the driver (libnvidia-ml.so.1) is not installed."
        hint = Hint(
            "sudo apt install nvidia-driver",
            before="Debian: ",
            after=". Ubuntu: sudo ubuntu-drivers install. Then restart the machine.",
        )
    else:
        note = "No NVIDIA GPU was found, and the NVIDIA driver is not installed."
        hint = Hint(
            "mlops-desk --demo",
            before="Everything but GPU jobs works without one. ",
            after=" shows a simulated workstation.",
        )
    return DriverTrouble(note, hint, certain=present == 0)


def _kernel_driver(path: Path = Path("/proc/driver/nvidia/version")) -> str:
    try:
        words = path.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return ""
    version = next((word for word in words if word[:1].isdigit() and "." in word), None)
    return f" (kernel: {version})" if version else ""
