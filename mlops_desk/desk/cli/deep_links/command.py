"""``open ADDRESS`` and ``runs open ID``: the window goes to a thing; without a screen it is said where that is seen."""

import argparse
import os
import sys
import webbrowser
from contextlib import closing
from shlex import quote

from mlops_desk.desk.cli.window import open_window
from mlops_desk.kit.api.client import Client, connect
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import Hint, Invalid, Refused, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.cli.screen import check_screen
from mlops_desk.kit.text.document import show
from mlops_desk.kit.verbs.deep_links import Destination, parse_address
from mlops_desk.registry.records.model import Run
from mlops_desk.registry.verbs.run_owner import job_of_run

_LISTED = {"engines": "engines list", "secrets": "secrets list", "registries": "registry list"}
"""Of the views of the settings, those that are more than settings."""


def _seen_by(destination: Destination) -> Hint:
    """Return what shows the same in a terminal."""
    key = quote(plain(destination.key))
    listed = _LISTED.get(destination.key, "settings list")
    return {
        "job": Hint(f"mlops-desk jobs show {key}", before="Here: "),
        "run": Hint(f"mlops-desk runs show {key}", before="Here: "),
        "gpu": Hint("mlops-desk gpus list", before="Here: "),
        "model": Hint(f"mlops-desk models show {key}", before="Here: "),
        "endpoint": Hint(f"mlops-desk endpoints show {key}", before="Here: "),
        "settings": Hint(f"mlops-desk {listed}", before="Here: "),
    }[destination.kind]


def open_address(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Show what an address leads to. Raises Invalid."""
    if given.destination:
        try:
            destination = parse_address(given.destination)
        except Invalid:
            if not sys.stderr.isatty() and _has_screen():  # clicked on: what is wrong is said where it is seen
                return open_window(address, given)
            raise
        if not _has_screen():
            return _told(destination, None, as_json=as_json)
        given.destination = str(destination)
    return open_window(address, given)


def open_run(address: AgentAddress, given: argparse.Namespace, as_json: bool) -> int:
    """Show a run. Raises NotFound, Refused, Unavailable."""
    with closing(connect(address, demo=given.demo)) as client:
        run = client.runs.show(given.run_id, uri=given.uri)
        if given.mlflow:
            return _mlflow(client, run, given.uri, as_json=as_json)
        job = job_of_run(client, run)
    destination = Destination("run", run.run_id)
    if not _has_screen():
        return _told(destination, None if job is None else job.id, as_json=as_json)
    given.destination = str(parse_address(str(destination)))
    return open_window(address, given)


def _has_screen() -> bool:
    try:
        check_screen(os.environ)
    except Unavailable:
        return False
    return True


def _told(destination: Destination, job_id: str | None, *, as_json: bool) -> int:
    here = _seen_by(destination)
    told = {"address": str(destination), "opened": False, "job_id": job_id, "command": here.command}
    elsewhere = Hint(f"mlops-desk open {destination}", before="There is no screen here. On one that shows this desk: ")
    lines = [str(elsewhere), str(here)]
    if job_id is not None:
        lines.append(str(Hint(f"mlops-desk jobs show {job_id}", before="It is the run of this job: ")))
    show(told, "\n".join(lines), as_json=as_json)
    return 0


def _mlflow(client: Client, run: Run, uri: str | None, *, as_json: bool) -> int:
    """Open the page of the tracking server that has the run; the desk's own lets a browser in for this."""
    server = client.models.server()
    where = uri or server.default_uri or "own"
    text = None
    if where != "own" and "://" not in where and not where.startswith("/"):
        where = client.registry.show(where).uri
    if where in {"own", server.uri}:
        visit = client.registry.page(run.run_id)
        page, text = visit.address, visit.text
    elif where.startswith(("http://", "https://")):
        page = f"{where.rstrip('/')}/#/experiments/{run.experiment_id}/runs/{run.run_id}"
    else:
        text = f"The registry {plain(where, 200)} has no server, so that MLflow's page shows nothing of it."
        raise Refused(
            text, Hint(f"mlops-desk runs open {quote(plain(run.run_id))}", before="The window shows the run: ")
        )
    opened = _has_screen() and webbrowser.open(page)
    lines = [f"{'Opened' if opened else 'Open'} {plain(page, 400)}", *([] if text is None else [text])]
    show({"page": page, "opened": opened}, "\n".join(lines), as_json=as_json)
    return 0
