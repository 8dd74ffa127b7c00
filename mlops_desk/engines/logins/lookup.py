"""Finds the login that a person has at an image's registry: their own files and helpers, asked as themselves."""

import os
from typing import Any

from mlops_desk.engines.login import RegistryLogin
from mlops_desk.kit.base.process import run_worker

_WORKER = "mlops_desk.engines.logins.worker"
_SECONDS = 25.0  # two helpers one after the other, each with a deadline of its own, and a Python that starts


def find_login(reference: str, uid: int) -> RegistryLogin | None:
    """Return the login of user ``uid`` for an image; None where they have none. Raises Refused, Unavailable.

    An agent's own environment says where its user keeps logins, and nothing of where others do.
    """
    request: dict[str, Any] = {"reference": reference}
    if uid == os.geteuid():
        request["docker_config"] = os.environ.get("DOCKER_CONFIG")
        request["runtime_folder"] = os.environ.get("XDG_RUNTIME_DIR")
    found = run_worker(_WORKER, request, _SECONDS, as_uid=uid)
    return RegistryLogin(**found) if found else None
