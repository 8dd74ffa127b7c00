"""Writing a pack that the agent has made, and looking at one, which needs no agent.

Exit code of ``verify``: 0: it is as it was made; 1: it is not, or can't be looked at.
"""

import argparse
import contextlib
import os
import sys
from functools import partial
from pathlib import Path

from mlops_desk.governance.cli.commands import refuse_taken, tell_made, write_new
from mlops_desk.governance.text.evidence import pack, verification
from mlops_desk.kit.api.client import connect
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.text.document import show
from mlops_desk.registry.records.evidence import EvidenceVerification
from mlops_desk.serving.cli.task_progress import followed

_WORKER = "mlops_desk.governance.evidence.worker"
_TICKET_BYTES = 8  # chosen: nobody guesses it
_VERIFY_SECONDS = 120.0  # chosen: 64 MiB to inflate and to sum, and a signature, on a busy machine


def build(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Have a pack made and write it. Raises DeskError; what is half written is taken away."""
    out = Path(given.out)
    refuse_taken(out)
    ticket = os.urandom(_TICKET_BYTES).hex()
    with contextlib.closing(connect(address, demo=given.demo)) as client:
        made = followed(client, partial(client.evidence.build, given.version, ticket), ticket, sys.stderr)
    write_new(out, made.data, "The pack")
    tell_made(made, pack(made, out.absolute()), out, as_json=as_json)
    return 0


def verify(_address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Tell whether a pack is as it was made. Raises DeskError."""
    request = {"file": str(Path(given.file).absolute()), "signer": given.signer}
    found = wire.from_builtins(run_worker(_WORKER, request, _VERIFY_SECONDS), EvidenceVerification)
    show(wire.to_builtins(found) if as_json else None, verification(found), as_json=as_json)
    return 0 if found.intact else 1
