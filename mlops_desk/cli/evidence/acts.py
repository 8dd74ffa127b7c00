"""Writing a pack that the agent has made, and looking at one, which needs no agent.

Exit code of ``verify``: 0: it is as it was made; 1: it is not, or can't be looked at.
"""

import argparse
import contextlib
from pathlib import Path

from mlops_desk.api.client import connect
from mlops_desk.base import wire
from mlops_desk.base.disk.agent_address import AgentAddress
from mlops_desk.base.errors import Refused, Unavailable
from mlops_desk.base.process import run_worker
from mlops_desk.cli.forms.evidence import pack, verification
from mlops_desk.cli.output import show
from mlops_desk.records.registry.evidence import EvidenceVerification

_WORKER = "mlops_desk.governance.evidence.worker"
_VERIFY_SECONDS = 120.0  # chosen: 64 MiB to inflate and to sum, and a signature, on a busy machine


def build(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Have a pack made and write it. Raises DeskError; what is half written is taken away."""
    out = Path(given.out)
    if out.exists():
        raise _taken(out)
    with contextlib.closing(connect(address, demo=given.demo)) as client:
        made = client.evidence.build(given.version)
    try:
        with out.open("xb") as file:
            file.write(made.data)
    except FileExistsError:
        raise _taken(out) from None
    except OSError as error:
        with contextlib.suppress(OSError):
            out.unlink(missing_ok=True)
        raise Unavailable(f"The pack can't be written to {out}: {error.strerror}.", "Name a file elsewhere.") from error
    document = {name: value for name, value in wire.to_builtins(made).items() if name != "data"}
    show({"file": str(out.absolute()), **document}, pack(made, out.absolute()), as_json=as_json)
    return 0


def verify(_address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Tell whether a pack is as it was made. Raises DeskError."""
    request = {"file": str(Path(given.file).absolute()), "signer": given.signer}
    found = wire.from_builtins(run_worker(_WORKER, request, _VERIFY_SECONDS), EvidenceVerification)
    show(wire.to_builtins(found) if as_json else None, verification(found), as_json=as_json)
    return 0 if found.intact else 1


def _taken(out: Path) -> Refused:
    return Refused(f"{out} is there already.", "Name another file.")
