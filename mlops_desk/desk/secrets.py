"""Secrets as verbs: each person's own, set and forgotten, and never shown."""

from builtins import list as list_of

from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.records.setting import FILE, KEYRING, SecretName
from mlops_desk.kit.storage.secrets import SecretStore


def secret_store(folder: DataFolder, settings: SettingsStore, *, simulated: bool) -> SecretStore:
    """Return where secrets are kept; a machine that is made up leaves its person's keyring alone."""
    return SecretStore(folder.secrets, lambda: FILE if simulated else settings.text("secrets.keeper"))


class SecretsService:
    """Implements ``verbs.Secrets``."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    def list(self) -> list_of[SecretName]:
        return self._store.names(current_caller().uid)

    def show(self, name: str) -> SecretName:
        return self._store.name(current_caller().uid, name)

    def set(self, name: str, value: str) -> SecretName:
        return self._store.set(current_caller().uid, name, value)

    def move(self, name: str, to: str = KEYRING) -> SecretName:
        return self._store.move(current_caller().uid, name, to)

    def remove(self, name: str) -> SecretName:
        return self._store.remove(current_caller().uid, name)
