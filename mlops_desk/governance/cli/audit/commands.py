"""Looking whether the audit holds, and writing it down to be kept elsewhere.

Exit code of ``verify``: 0: it holds; 1: it does not, or can't be looked at.
"""

import argparse
import contextlib
import os
import sys
from functools import partial
from pathlib import Path
from shlex import quote

from mlops_desk.governance.verbs.audit_export import write_chain
from mlops_desk.kit.api.client import connect
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import Hint, Invalid, Refused, Unavailable
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.audit import AuditVerification
from mlops_desk.kit.text.cells import facts
from mlops_desk.kit.text.document import show
from mlops_desk.kit.text.records import verification
from mlops_desk.registry.records.evidence import EvidenceVerification
from mlops_desk.serving.cli.task_progress import followed

_WORKER = "mlops_desk.kit.storage.audit.worker"
_PACKS = "mlops_desk.governance.evidence.worker"
_VERIFY_SECONDS = 300.0  # chosen: a million records take some twenty seconds on a busy machine
_TICKET_BYTES = 8  # chosen: nobody guesses it


def verify(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Tell whether the audit holds. Raises DeskError."""
    if given.file is None:
        with contextlib.closing(connect(address, demo=given.demo)) as client:
            ticket = os.urandom(_TICKET_BYTES).hex()
            anchors = [*(given.anchors or ()), *(head for pack in given.pack or () for head in _heads_of(Path(pack)))]
            ask = partial(client.agent.verify_audit, given.head, ticket, anchors)
            found = followed(client, ask, ticket, sys.stderr)
    else:
        request = {"exported": str(Path(given.file).absolute()), "head": given.head}
        found = wire.from_builtins(run_worker(_WORKER, request, _VERIFY_SECONDS), AuditVerification)
    show(wire.to_builtins(found) if as_json else None, verification(found), as_json=as_json)
    return 0 if found.intact else 1


def _heads_of(pack: Path) -> list[str]:
    """Return the heads of an evidence pack, as the agent takes them. Raises DeskError for one that does not hold."""
    request = {"file": str(pack.absolute()), "signer": None}
    found = wire.from_builtins(run_worker(_PACKS, request, _VERIFY_SECONDS), EvidenceVerification)
    if not found.intact:
        hint = Hint(f"mlops-desk evidence verify {quote(str(pack))}")
        raise Invalid(f"{plain(pack.name)} is not as it was made, so that its heads tell nothing.", hint)
    return [f"{number}:{digest}@{found.made_at or 0.0}" for number, digest in found.heads]


def export(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Write the whole chain, for whoever writes it alone. Raises DeskError; what is half written is taken away."""
    out = Path(given.out)
    with contextlib.closing(connect(address, demo=given.demo)) as client:
        try:
            out.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            raise Refused(f"{out} is there already.", "Name another file.") from None
        except OSError as error:
            raise _unwritten(out, error) from error
        try:
            with out.open("w", encoding="utf-8") as stream:
                records, head = write_chain(client, stream, lambda _records: None)
        except BaseException as error:
            with contextlib.suppress(OSError):
                out.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise _unwritten(out, error) from error
            raise
    done = {"file": str(out.absolute()), "records": records, "head": head}
    told = {"file": str(out.absolute()), "records": f"{records:,}", "head": head or "–"}
    show(done, facts(told), as_json=as_json)
    return 0


def _unwritten(out: Path, error: OSError) -> Unavailable:
    return Unavailable(f"The audit can't be written to {out}: {error.strerror}.", "Name a file elsewhere.")
