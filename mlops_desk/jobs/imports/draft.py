"""A job file in the making, with notes of what was lost or changed on the way.

What both ``docker run`` and Compose can say (variables, mounts, ports, GPUs) is taken in here. Nothing that the job
file would refuse is written: it is noted instead, with the reason that the job file gives.
"""

import posixpath
import re
from collections.abc import Callable
from typing import Any

from mlops_desk.jobs.file.fields import API_VERSION, MOST_VARIABLES
from mlops_desk.jobs.file.scalars import clean_path
from mlops_desk.jobs.file.spec import parse_spec, read_spec
from mlops_desk.jobs.records.job_import import ImportedJob, ImportNote
from mlops_desk.kit.base.document.byte_sizes import format_bytes
from mlops_desk.kit.base.document.field_declarations import write_document
from mlops_desk.kit.base.document.nodes import node_of
from mlops_desk.kit.base.document.scalar_types import NAME_LIMIT, Unfit
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

# Amounts and lengths of time as Docker and Compose write them; a job file writes them otherwise.
_BYTES = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?) ?([bkmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_POWERS = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def docker_bytes(text: str) -> int:
    """Return the bytes that ``8g``, ``512m`` or ``1024`` names to Docker, by powers of 1024. Raises Unfit."""
    found = _BYTES.fullmatch(text.strip())
    if found is None:
        raise Unfit("an amount such as 8g")
    amount = int(float(found[1]) * 1024 ** _POWERS[found[2].lower()])
    if amount <= 0:
        raise Unfit("an amount above 0")
    return amount


_VALUE_LIMIT = 200  # chosen: two lines of a report
_MOST_OF_A_RANGE = 50  # chosen: more ports than one program listens on
_PORT_LIMIT = 120  # chosen: two addresses and two ranges
_SOCKETS = re.compile(r"(docker|podman|containerd|crio)[^/]*\.sock$")
_SYSTEM = ("/", "/boot", "/dev", "/etc", "/proc", "/root", "/run", "/sys", "/usr", "/var/lib", "/var/run")
_PORTS = re.compile(r"(?:.*:)?([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?")
_SECRET = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|CREDENTIALS?)$", re.IGNORECASE)
_SHELL = re.compile(r"\$\{?[A-Za-z_(]")
_ONLY_SHELL = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][^{}]*\}|\(.*\))", re.DOTALL)
"""A value that is nothing but what a shell would have put in."""


class JobDraft:
    """Takes in what a container was asked to be. ``folder`` is where relative paths start, ``home`` is the person's."""

    def __init__(self, folder: str, home: str) -> None:
        self._folder = folder
        self._home = home
        self._notes: list[ImportNote] = []
        self.name = ""
        self.file: dict[str, Any] = {}
        self.resources: dict[str, Any] = {}
        self.command: list[str] = []
        self.workdir: tuple[str, str] | None = None

    # -- notes ---------------------------------------------------------------------------------

    def lost(self, option: str, value: str, why: str) -> None:
        """Note that nothing of an option is in the job file."""
        self._note(option, value, why, lost=True)

    def changed(self, option: str, value: str, why: str) -> None:
        """Note that an option came over as something else."""
        self._note(option, value, why, lost=False)

    def _note(self, option: str, value: str, why: str, *, lost: bool) -> None:
        self._notes.append(ImportNote(plain(option), plain(value, _VALUE_LIMIT), lost, why))

    # -- what is taken in ----------------------------------------------------------------------

    def variable(self, option: str, name: str, value: str | None) -> None:
        """Take in an environment variable; None is one that the shell would have handed on."""
        if value is None or _ONLY_SHELL.fullmatch(value):
            where = "put it among secrets" if _SECRET.search(name) else f"add env: {{{plain(name)}: ...}}"
            self.lost(option, name, f"Its value stands in your shell: {where}.")
        elif name == "NVIDIA_VISIBLE_DEVICES":
            self.gpus(option, value if value in {"all", "none", "void", ""} else f"device={value}", f"{name}={value}")
        elif name.upper().startswith("NVIDIA_") or name in {"LD_PRELOAD", "LD_AUDIT"}:
            self.lost(
                option, f"{name}={value}", "It decides which GPUs and code a container sees, which the desk does."
            )
        elif len(self.file.get("env", ())) >= MOST_VARIABLES:
            self.lost(option, f"{name}={value}", f"A job file has at most {MOST_VARIABLES} variables.")
        elif self._takes(option, f"{name}={value}", {"env": {name: value}}):
            self.file.setdefault("env", {})[name] = value
            if _SECRET.search(name) and value:
                why = "It looks like a secret, and stands in the job file for all to read: put it among secrets."
                self.changed(option, name, why)
            elif _SHELL.search(value):
                self.changed(option, f"{name}={value}", "What a shell would have put in stands there as it is written.")

    def mount(self, option: str, shown: str, source: str, target: str, *, writable: bool) -> None:
        """Take in a folder or file of this machine."""
        path = self.on_this_machine(source)
        why = self._why_no_mount(source, path)
        if why is not None:
            self.lost(option, shown, why)
            return
        made = {"source": path, "target": target, **({"mode": "rw"} if writable else {})}
        if self._takes(option, shown, {"mounts": [made]}):
            self.file.setdefault("mounts", []).append(made)

    def port(self, option: str, text: str) -> None:
        """Take in a published port, as ``8080:80`` or ``127.0.0.1:8000-8010:8000-8010/tcp``."""
        found = _PORTS.fullmatch(text[:_PORT_LIMIT])
        if found is None or found[3] in {"udp", "sctp"}:
            self.lost(option, text, "Only TCP ports are reached, each by its number.")
            return
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= last <= 65_535 or last - first >= _MOST_OF_A_RANGE:
            self.lost(option, text, f"It is no port, or more than {_MOST_OF_A_RANGE} of them.")
            return
        ports = self.file.setdefault("ports", [])
        ports += [port for port in range(first, last + 1) if port not in ports]
        self.changed(option, text, "It is reached from this machine alone (127.0.0.1), on a port that the desk shows.")

    def gpus(self, option: str, text: str, shown: str) -> None:
        """Take in what ``--gpus`` says: ``all``, a number, or ``device=0,GPU-1a2b``."""
        named = text.startswith("device=") or "," in text  # --gpus 4,5 is no number, but what people mean is plain
        devices = [one for one in text.removeprefix("device=").split(",") if one] if named else []
        if devices and all(one.startswith(("GPU-", "MIG-")) for one in devices):
            if self._takes(option, shown, {"resources": {"gpu_uuids": devices}}):
                self.resources["gpu_uuids"] = devices
                self.resources.pop("gpus", None)
        elif devices:
            self.resources["gpus"] = len(devices)
            why = "A job gets GPUs that are free, not these numbers, which can be other cards tomorrow."
            self.changed(option, shown, f"{why} It asks for {len(devices)}.")
        elif text in {"none", "void", "", "0"}:
            self.resources.pop("gpus", None)
        elif text.isdecimal():
            if self._takes(option, shown, {"resources": {"gpus": text}}):
                self.resources["gpus"] = int(text)
        else:
            self.resources.setdefault("gpus", 1)
            why = "A job says how many GPUs it needs, and no other job gets them meanwhile: it asks for one here."
            self.changed(option, shown, why)

    def amount(self, option: str, key: str, text: str) -> None:
        """Take in memory as Docker writes it, where a g is a GiB."""
        try:
            self.resources[key] = format_bytes(docker_bytes(text))
        except Unfit:
            self.lost(option, text, "It is no amount of memory.")
            return
        if not self._takes(option, text, {"resources": {key: self.resources[key]}}):
            del self.resources[key]

    def cpus(self, option: str, text: str) -> None:
        """Take in how many CPUs it may use."""
        if self._takes(option, text, {"resources": {"cpus": text}}):
            self.resources["cpus"] = float(text)

    def keep(self, option: str, shown: str, key: str, value: Any) -> None:
        """Take in a field of the job file as it is."""
        if self._takes(option, shown, {key: value}):
            self.file[key] = value

    # -- the end -------------------------------------------------------------------------------

    def done(self) -> ImportedJob:
        """Return the job file. Raises Invalid where what was given makes none."""
        command = self._command()
        document = self._document(self.file, command)
        try:
            parse_spec(write_document(document), self._folder)
        except Invalid as error:
            told = error.message if error.place is None else error.message.partition(": ")[2]
            raise Invalid(f"{self.name or 'This'} makes no job: {told}", error.hint) from error
        return ImportedJob(document["name"], write_document(document), tuple(self._notes))

    def _command(self) -> list[str]:
        if self.workdir is None:
            return self.command
        option, folder = self.workdir
        if not self.command:
            self.lost(option, folder, "A job file has no working folder, and the command is the image's own.")
            return []
        self.changed(option, folder, "A job file has no working folder: the command goes there first.")
        return ["sh", "-c", 'cd "$0" && exec "$@"', folder, *self.command]

    def _document(self, file: dict[str, Any], command: list[str]) -> dict[str, Any]:
        order = ("image", "build")
        return {
            "apiVersion": API_VERSION,
            "kind": "Job",
            "name": plain(self.name or _program(file.get("image", "job")), NAME_LIMIT - 1).strip() or "job",
            **{key: file[key] for key in order if key in file},
            **({"command": command} if command else {}),
            **{key: value for key, value in file.items() if key not in {*order, "mounts"}},
            **({"resources": self.resources} if self.resources else {}),
            **({"mounts": file["mounts"]} if "mounts" in file else {}),
        }

    def _takes(self, option: str, shown: str, fields: dict[str, Any]) -> bool:
        """Tell whether a job file takes some fields; note why not, if it does not."""
        bare = {"apiVersion": API_VERSION, "kind": "Job", "name": "a", "image": "a", **fields}
        try:
            read_spec(node_of(bare), self._folder)
        except Invalid as error:
            told = error.message.partition(": ")[2] or error.message
            self.lost(option, shown, f"The job file does not take it: {told} {error.hint or ''}".strip())
            return False
        return True

    def on_this_machine(self, source: str) -> str:
        """Return the absolute path of a folder that a file names: the job file may be saved elsewhere."""
        if source == "~" or source.startswith("~/"):
            return clean_path(self._home + source[1:])
        return clean_path(posixpath.join(self._folder, source))

    def _why_no_mount(self, source: str, path: str) -> str | None:
        if _SOCKETS.search(path):
            return "No job gets the engine's socket: who has it has the whole machine."
        if path in _SYSTEM or path.startswith(("/dev/", "/etc/", "/proc/", "/run/", "/sys/", "/var/run/")):
            return "No job gets folders of the system."
        if _SHELL.match(source):
            return "The folder's name stands in your shell: put it in."
        if not source.startswith(("/", ".", "~")):
            return "A volume of the engine has no folder here: mount a folder instead, or write to outputs."
        return None


def _program(image: str) -> str:
    """Return what an image is called, without its registry and its tag."""
    return image.rsplit("/", 1)[-1].partition("@")[0].partition(":")[0]


Take = Callable[[JobDraft, str, str], None]
"""Takes in an option (as it was written) with its value."""
