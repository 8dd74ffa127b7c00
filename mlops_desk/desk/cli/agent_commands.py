"""What is done with an agent beside asking it: be it, tell whether it runs, end it, restore its databases."""

import argparse
import sys
import time
from typing import Any

from mlops_desk.desk.cli import output
from mlops_desk.kit.api.client import Client, connect, wait_until_gone
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import Hint, TimedOut, Unavailable
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.records.agent import Backup
from mlops_desk.kit.text.document import show
from mlops_desk.serving.text import deployment

_RESTORE_TIMEOUT_SECONDS = 600.0  # chosen: a database of gigabytes is unpacked and checked
_UNHEARD_SECONDS = 10.0  # an agent puts a socket that was removed back every two seconds, and one that starts loads
_RESTORING = "mlops_desk.kit.storage.restore"


def run(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:  # noqa: ARG001 - an Act
    from mlops_desk.desk import agent_process  # noqa: PLC0415 - the agent's half of the program

    return agent_process.main(address.files("Being the agent"), demo=given.demo, echo=sys.stderr.isatty())


def status(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:  # noqa: ARG001 - all acts are called alike
    try:
        client = _running(address)
    except Unavailable:  # it starts, or has lost its socket: asked again it may be heard
        client = None
    if client is None:
        document: dict[str, Any] = {"running": False, "data_dir": _data_dir(address), "address": str(address)}
        show(document, f"No agent runs for {address}.", as_json=as_json)
        return 0
    info = client.agent.info()
    client.close()
    show({"running": True, **wire.to_builtins(info)}, output.text(info), as_json=as_json)
    return 0


def stop(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    client = connect(address, demo=given.demo) if given.everything else _running(address)
    if client is None:
        show({"stopped": False}, f"No agent runs for {address}.", as_json=as_json)
        return 0
    info = client.agent.info()
    pid = info.pid
    asks = given.everything and not info.simulated  # a demo's endpoints have no containers
    staying = deployment.staying(client.endpoints.list()) if asks else []
    _shut_down(client, address, everything=given.everything)
    if not wait_until_gone(address, 10.0):
        raise TimedOut(f"The agent (pid {pid}) was asked to end and still runs.", Hint(f"kill {pid}"))
    left = {"endpoints_left": staying} if given.everything else {}
    text = f"The agent for {address} has ended.{deployment.farewell(staying)}"
    show({"stopped": True, "pid": pid, **left}, text, as_json=as_json)
    return 0


def _shut_down(client: Client, address: AgentAddress, *, everything: bool = False) -> None:
    try:
        client.agent.shutdown(everything=everything)
    except Unavailable:  # it ends a moment later, which is too soon for the answer where the audit waits for the disk
        if not wait_until_gone(address, 5.0):
            raise
    client.close()


def restore(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    folder = address.files("Restoring a backup")
    request: dict[str, Any] = {"folder": str(folder.root)}
    if given.listed or given.name is None:
        document = run_worker(_RESTORING, request, _RESTORE_TIMEOUT_SECONDS)
        found = [wire.from_builtins(item, Backup) for item in document]
        show(document, output.text(found, f"There is no backup in {folder.root} yet."), as_json=as_json)
        return 0
    known = [item["name"] for item in run_worker(_RESTORING, request, _RESTORE_TIMEOUT_SECONDS)]
    client = _running(address) if given.name in known else None  # no agent is ended for a name that was mistyped
    if client is not None:
        _shut_down(client, address)
    document = run_worker(_RESTORING, {**request, "name": given.name}, _RESTORE_TIMEOUT_SECONDS)
    document["stopped"] = client is not None
    kept = f" What was there is kept as {document['kept_as']}." if document["kept_as"] else ""
    ended = " The agent was ended; the next command starts it again." if client is not None else ""
    show(document, f"{document['database']} is now the backup {given.name}.{kept}{ended}", as_json=as_json)
    return 0


def _running(address: AgentAddress) -> Client | None:
    """Return a client of the agent; None where none runs. Raises Unavailable where one holds the folder unheard."""
    deadline = time.monotonic() + _UNHEARD_SECONDS
    while True:
        try:
            return connect(address, start=False)
        except Unavailable:
            if wait_until_gone(address, 0.0) or address.folder is None:
                return None
            if time.monotonic() > deadline:
                text = f"An agent holds {address.folder.root} and does not answer at its socket."
                raise Unavailable(text, f"It may still start. Its log: {address.folder.logs / 'agent.log'}") from None
        time.sleep(0.1)


def _data_dir(address: AgentAddress) -> str | None:
    return None if address.folder is None else str(address.folder.root)
