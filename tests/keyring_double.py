"""A keyring of a test's own, chosen by the library's own variable: PYTHON_KEYRING_BACKEND=tests.keyring_double.Ring.

It keeps its entries in the file that KEYRING_DOUBLE names. KEYRING_DOUBLE_MOOD makes it locked, mute, forgetful, broken.
"""

import json
import os
import time
from pathlib import Path

import keyring.backend
import keyring.errors


class Ring(keyring.backend.KeyringBackend):
    priority = 5  # type: ignore[assignment]  # the library declares a property of the class

    def set_password(self, service: str, username: str, password: str) -> None:
        entries = self._entries()
        entries[f"{service}|{username}"] = password
        if os.environ.get("KEYRING_DOUBLE_MOOD") != "forgetful":
            Path(os.environ["KEYRING_DOUBLE"]).write_text(json.dumps(entries))

    def get_password(self, service: str, username: str) -> str | None:
        return self._entries().get(f"{service}|{username}")

    def delete_password(self, service: str, username: str) -> None:
        entries = self._entries()
        if entries.pop(f"{service}|{username}", None) is None:
            raise keyring.errors.PasswordDeleteError
        Path(os.environ["KEYRING_DOUBLE"]).write_text(json.dumps(entries))

    def _entries(self) -> dict[str, str]:
        mood = os.environ.get("KEYRING_DOUBLE_MOOD")
        if mood == "locked":
            raise keyring.errors.KeyringLocked("canary")
        if mood == "broken":
            raise OSError("canary")
        if mood == "mute":
            time.sleep(600)
        path = Path(os.environ["KEYRING_DOUBLE"])
        return dict(json.loads(path.read_text())) if path.exists() else {}


class File(Ring):
    """What is only a file, as the library's alternatives are."""

    priority = 0.5  # type: ignore[assignment]  # likewise
