"""Looking whether the audit holds, and writing it down to be kept elsewhere.

Exit code of ``verify``: 0: it holds; 1: it does not, or can't be looked at.
"""

import argparse
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from mlops_desk.api.client import Client, connect
from mlops_desk.base import wire
from mlops_desk.base.disk.agent_address import AgentAddress
from mlops_desk.base.errors import Refused, Unavailable
from mlops_desk.base.process import run_worker
from mlops_desk.cli.cells import facts
from mlops_desk.cli.forms.records import verification
from mlops_desk.cli.output import show
from mlops_desk.records.audit import EXPORT_FORM, AuditLink, AuditVerification

_WORKER = "mlops_desk.storage.audit.worker"
_VERIFY_SECONDS = 300.0  # chosen: a million records take some twenty seconds on a busy machine
_PAGE = 2000  # chosen: some megabytes at a time


def verify(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Tell whether the audit holds. Raises DeskError."""
    if given.file is None:
        with contextlib.closing(connect(address, demo=given.demo)) as client:
            found = client.agent.verify_audit(given.head)
    else:
        request = {"exported": str(Path(given.file).absolute()), "head": given.head}
        found = wire.from_builtins(run_worker(_WORKER, request, _VERIFY_SECONDS), AuditVerification)
    show(wire.to_builtins(found) if as_json else None, verification(found), as_json=as_json)
    return 0 if found.intact else 1


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
            records, head = _write(client, out)
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


def _write(client: Client, out: Path) -> tuple[int, str | None]:
    """Return how many records were written, and the head that they end with."""
    records, head = 0, None
    with out.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps({"form": EXPORT_FORM}) + "\n")
        for link in _links(client):
            stream.write(wire.dumps(link) + "\n")
            records, head = records + 1, link.digest
        stream.write(json.dumps({"head": head, "records": records}) + "\n")
    return records, head


def _unwritten(out: Path, error: OSError) -> Unavailable:
    return Unavailable(f"The audit can't be written to {out}: {error.strerror}.", "Name a file elsewhere.")


def _links(client: Client) -> Iterator[AuditLink]:
    number = 0
    while page := client.agent.audit_links(number, _PAGE):
        yield from page
        number = page[-1].number
