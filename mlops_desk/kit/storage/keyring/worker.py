"""A worker that speaks to a person's keyring as that person: ``python -m mlops_desk.kit.storage.keyring.worker``.

A keyring that is locked asks its person by a window and waits, and a service on a bus may hang: so it is spoken to
here, where a deadline ends it. Whoever asks quietly, for a job at night, opens no window. This is the only place that
loads the library.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from mlops_desk.kit.base.errors import Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

DEFAULT_COLLECTION = "/org/freedesktop/secrets/aliases/default"  # the Secret Service's own name for it
UNLOCK = Hint(
    "(read -rsp 'Password: ' P && printf %s \"$P\") | gnome-keyring-daemon --replace --unlock",
    before="Unlock it by logging in to the desktop; GNOME's, where there is no desktop: ",
)
_LEAST_PRIORITY = 1  # what the library itself calls recommended; a plain file has less


def work(request: Mapping[str, Any]) -> dict[str, Any]:
    """Do one of look, get, set and remove. Raises NotFound, Refused (there is no keyring), Unavailable (locked)."""
    import keyring.errors  # noqa: PLC0415 - loaded here alone

    ring = keyring.get_keyring()
    called = f"{type(ring).__module__}.{type(ring).__qualname__}"
    if float(ring.priority) < _LEAST_PRIORITY:
        text = f"No keyring answers in this session (what is there is {plain(called)})."
        hint = Hint(
            "mlops-desk settings set secrets.keeper auto",
            before="Log in to a desktop that has one, or let secrets be files of mode 0400 where none answers: ",
        )
        raise Refused(text, hint)
    act, service, name = str(request["act"]), str(request.get("service", "")), str(request.get("name", ""))
    try:
        if request.get("quiet"):
            _check_open(ring)
        if act == "set":
            ring.set_password(service, name, str(request["value"]))
        if act == "remove":
            ring.delete_password(service, name)
        found = ring.get_password(service, name) if act in {"get", "set"} else None
    except keyring.errors.PasswordDeleteError as error:
        raise NotFound(f"The keyring has no {plain(name)}.") from error
    except Exception as error:
        if isinstance(error, keyring.errors.InitError | keyring.errors.KeyringLocked):
            raise Unavailable("The keyring is locked.", UNLOCK) from error
        raise Unavailable(f"The keyring {plain(called)} failed: {plain(type(error).__name__)}.") from error
    return {"keyring": called, "value": found}


def _check_open(ring: Any) -> None:
    """Raise KeyringLocked where a Secret Service would ask its person by a window; others are asked as they are."""
    import keyring.errors  # noqa: PLC0415 - loaded here alone
    import secretstorage  # noqa: PLC0415 - likewise
    from keyring.backends import SecretService  # noqa: PLC0415 - likewise

    if not isinstance(ring, SecretService.Keyring):
        return
    with contextlib.closing(secretstorage.dbus_init()) as bus:
        place = getattr(ring, "preferred_collection", DEFAULT_COLLECTION)
        try:
            locked = secretstorage.Collection(bus, place).is_locked()
        except secretstorage.exceptions.ItemNotFoundException:
            locked = True  # nobody has set up a keyring: that is done in a window too
    if locked:
        raise keyring.errors.KeyringLocked


if __name__ == "__main__":
    serve_one(work)
