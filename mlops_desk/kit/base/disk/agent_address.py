"""Where an agent is reached, in one word: a data folder, the machine's own agent, or a socket.

A data folder (a path) is looked after by an agent of one's own, which is started where none runs. ``machine`` is the
agent that the machine starts for all its users. ``unix:///PATH`` is any other socket, as one that ``ssh -L`` forwards
from another machine: whoever comes by it starts no agent and finds none of its files here. What may be done follows
from that alone: ask ``can_start`` and ``files``, never for the kind.

``--address`` wins over ``--data-dir``, that over ``MLOPS_DESK_ADDRESS``, and that over ``MLOPS_DESK_DATA_DIR``.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.kit.base.disk.paths import DataFolder, choose_root
from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.kit.base.text import plain

ENVIRONMENT = "MLOPS_DESK_ADDRESS"
MACHINE = "machine"
MACHINE_SOCKET = Path("/run/mlops-desk/agent.sock")
_SCHEME = "unix://"
_SOCKET_LIMIT_BYTES = 107  # what the kernel takes (unix(7))
_FORMS = f"Give a data folder, {MACHINE}, or {_SCHEME}/PATH/OF/A/SOCKET."


@dataclass(frozen=True, slots=True)
class AgentAddress:
    """Either a ``folder`` or a ``socket``. ``str`` gives what ``parse`` takes."""

    folder: DataFolder | None = None
    socket: Path | None = None

    @classmethod
    def of_folder(cls, root: Path) -> "AgentAddress":
        """Return the address of a data folder's own agent."""
        return cls(folder=DataFolder(root))

    @classmethod
    def parse(cls, text: str) -> "AgentAddress":
        """Read an address. Raises Invalid."""
        if text == MACHINE:
            return cls(socket=MACHINE_SOCKET)
        if text.startswith(_SCHEME):
            path = text.removeprefix(_SCHEME)
            if not path.startswith("/") or "\0" in path:
                raise Invalid(f"{plain(text)!r} names no socket by its whole path.", _FORMS)
            if len(os.fsencode(path)) > _SOCKET_LIMIT_BYTES:
                raise Invalid(f"The path of the socket {plain(path)} is too long for the system.", _FORMS)
            return cls(socket=Path(path))
        if not text or "\0" in text or "://" in text:
            raise Invalid(f"{plain(text)!r} is no address of an agent.", _FORMS)
        try:
            return cls.of_folder(Path(text).expanduser().absolute())
        except RuntimeError as error:  # ~NAME of a person who is none
            raise Invalid(f"{plain(text)!r} is no folder of anybody.", _FORMS) from error

    def __str__(self) -> str:
        if self.folder is not None:
            return str(self.folder.root)
        return MACHINE if self.socket == MACHINE_SOCKET else f"{_SCHEME}{self.socket}"

    @property
    def can_start(self) -> bool:
        """Tell whether an agent may be started where none answers."""
        return self.folder is not None

    def files(self, what: str) -> DataFolder:
        """Return the data folder, for what works on its files. Raises Refused where they are not here.

        ``what`` is done begins the sentence that says so.
        """
        if self.folder is None:
            text = f"{what} needs the agent's data folder, which {self} does not lead to."
            raise Refused(text, "Do it on the agent's machine, with --data-dir.")
        return self.folder


def choose(address: str | None, data_dir: str | None) -> AgentAddress:
    """Return the address for this call, from the words of the command line and from the environment. Raises Invalid."""
    if address is not None and data_dir is not None:
        raise Invalid("--address and --data-dir both say where the agent is.", "Give one of them.")
    given = address if address is not None or data_dir is not None else os.environ.get(ENVIRONMENT) or None
    return AgentAddress.of_folder(choose_root(data_dir)) if given is None else AgentAddress.parse(given)
