"""A worker that finds a person's login at a registry, as that person: ``python -m mlops_desk.engines.logins.worker``.

Their files and their helpers are read and run with their rights, in their environment, and with a deadline. What is
found goes to the agent through a pipe, and from there to the engine with one pull.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.logins import files
from mlops_desk.kit.base.errors import DeskError, Hint, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.process import run_into, serve_one
from mlops_desk.kit.base.text import plain

_HELPER_SECONDS = 10.0  # chosen: some ask a server of their cloud; one that asks a person never ends
_LARGEST_BYTES = 1 << 20  # chosen: a thousand logins
_ANSWER_BYTES = 1 << 20  # chosen: tokens of clouds take some KiB
_NOT_FOUND = ("credentials not found", "no credentials", "not found")


def work(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the login for ``request["reference"]`` as a record, or {} where the person has none."""
    reference = str(request["reference"])
    for path in _places(request):
        config = _read(path)
        for helper, place in files.helpers(config, reference):
            login = _ask(helper, place, reference)
            if login is not None:
                return asdict(login)
        login = files.written(config, reference)
        if login is not None:
            return asdict(login)
    return {}


def _places(request: Mapping[str, Any]) -> Iterator[Path]:
    """Yield where logins are kept: docker's, then Podman's, which are of the same form."""
    home = Path.home()
    yield Path(str(request.get("docker_config") or home / ".docker")) / "config.json"
    runtime = str(request.get("runtime_folder") or f"/run/user/{os.getuid()}")
    yield Path(runtime) / "containers" / "auth.json"
    yield home / ".config" / "containers" / "auth.json"


def _read(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise Refused(f"{path} is larger than any file of logins.", "Move it away and log in again.")
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no JSON"
        hint = Hint(f"docker --config {path.parent} info", before="See what is wrong with it: ")
        raise Refused(f"The logins in {path} can't be read: {why}.", hint) from error
    return found if isinstance(found, dict) else {}


def _ask(helper: str, place: str, reference: str) -> RegistryLogin | None:
    """Ask a helper; None where it has no such login. What it prints is in no error unless it failed."""
    program = f"docker-credential-{helper}"
    registry = files.registry_of(reference)
    again = Hint(f"docker login {registry}", before="See for yourself: ")
    try:
        with TemporaryFile() as output:
            done = run_into(
                [program, "get"], output, _HELPER_SECONDS, _ANSWER_BYTES, name=program, given=f"{place}\n".encode()
            )
            output.seek(0)
            answer = output.read(_ANSWER_BYTES)
    except TimedOut as error:
        text = f"{program}, which keeps your login at {registry}, gave no answer within {_HELPER_SECONDS:g} s."
        raise Unavailable(text, "It may wait for a password or a window; unlock it, or log in without it.") from error
    except DeskError as error:
        text = f"Your login at {registry} is kept by {program}, which can't be used: {error.message}"
        hint = Hint("docker logout", before="Install it, or take credsStore out of ~/.docker/config.json (", after=").")
        raise Unavailable(text, hint) from error
    if done.code != 0:
        said = plain((answer or done.errors).decode("utf-8", "replace").strip(), 200)
        if any(word in said.lower() for word in _NOT_FOUND):
            return None
        raise Unavailable(f"{program} did not hand out your login at {registry}: {said}", again)
    try:
        login = files.answered(reference, json.loads(answer))
    except (ValueError, RecursionError):
        login = None
    if login is None:
        raise Unavailable(f"{program} answered for {registry} with something that is no login.", again)
    return login


if __name__ == "__main__":
    serve_one(work)
