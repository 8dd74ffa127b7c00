"""A worker that speaks to a person's keyring as that person: ``python -m mlops_desk.storage.keyring.worker``.

A keyring that is locked asks its person by a window and waits, and a service on a bus may hang: so it is spoken to
here, where a deadline ends it. This is the only place that loads the library.
"""

from collections.abc import Mapping
from typing import Any

from mlops_desk.base.errors import Hint, NotFound, Refused, Unavailable
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain

_LEAST_PRIORITY = 1  # what the library itself calls recommended; a plain file has less


def work(request: Mapping[str, Any]) -> dict[str, Any]:
    """Do one of look, get, set and remove. Raises NotFound, Refused (there is no keyring), Unavailable (locked)."""
    import keyring.errors  # noqa: PLC0415 - loaded here alone

    ring = keyring.get_keyring()
    called = f"{type(ring).__module__}.{type(ring).__qualname__}"
    if float(ring.priority) < _LEAST_PRIORITY:
        text = f"No keyring answers in this session (what is there is {plain(called)})."
        raise Refused(text, "Secrets are kept in files of mode 0400 then.")
    act, service, name = str(request["act"]), str(request.get("service", "")), str(request.get("name", ""))
    try:
        if act == "set":
            ring.set_password(service, name, str(request["value"]))
        if act == "remove":
            ring.delete_password(service, name)
        found = ring.get_password(service, name) if act in {"get", "set"} else None
    except keyring.errors.PasswordDeleteError as error:
        raise NotFound(f"The keyring has no {plain(name)}.") from error
    except Exception as error:
        if isinstance(error, keyring.errors.InitError | keyring.errors.KeyringLocked):
            hint = Hint("mlops-desk secrets list", before="Unlock it, as by logging in to the desktop: ")
            raise Unavailable("The keyring is locked.", hint) from error
        raise Unavailable(f"The keyring {plain(called)} failed: {plain(type(error).__name__)}.") from error
    return {"keyring": called, "value": found}


if __name__ == "__main__":
    serve_one(work)
