"""What is said before a verb is asked, on stderr: in what a job once more would differ, how large an export will be."""

from collections.abc import Mapping
from typing import Any

from mlops_desk.api.client import Client
from mlops_desk.base.errors import DeskError, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.verbs.declaration import Verb

_RERUN = ("jobs", "rerun")
_EXPORT = ("jobs", "export")


def said(client: Client, verb: Verb, arguments: Mapping[str, Any]) -> str | None:
    """Return what is to be said; None for every other verb, and where the verb itself will say what is wrong."""
    name = (verb.service, verb.name)
    try:
        if name == _RERUN:
            return _rerun(client, arguments)
        if name == _EXPORT and arguments.get("outputs"):
            return _outputs(client, arguments["job_id"])
    except Unavailable as error:
        return f"mlops-desk: what it would differ in can't be told: {error.message}"
    except DeskError:
        return None
    return None


def _rerun(client: Client, arguments: Mapping[str, Any]) -> str:
    from mlops_desk.cli.forms import repeating  # noqa: PLC0415 - records that only this verb needs before it is asked

    return repeating.before(client.jobs.preview_rerun(**arguments))


def _outputs(client: Client, job_id: str) -> str:
    from mlops_desk.cli.cells import size  # noqa: PLC0415 - as above

    found = client.jobs.outputs(job_id)
    if not found:
        return "mlops-desk: the job left nothing in folders that are kept (outputs: in its job file)."
    total = sum(one.size_bytes for one in found)
    parts = ", ".join(f"{plain(one.target)} {one.files:,} file{'' if one.files == 1 else 's'}" for one in found)
    return f"mlops-desk: with outputs of {size(total)} ({parts})."
