"""Verbs about settings."""

from typing import TYPE_CHECKING, Protocol

from mlops_desk.kit.verbs.declaration import Who, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.kit.records.setting import SettingValue


class Settings(Protocol):
    """The one table of settings; the dialog is generated from it."""

    @reads
    def list(self) -> "list_of[SettingValue]":
        """List all settings with their values."""
        ...

    @reads
    def show(self, key: str) -> "SettingValue":
        """Show one setting."""
        ...

    @changes(who=Who.ADMINISTRATOR, before="show", of=("setting", "key"))
    def set(self, key: str, value: str) -> "SettingValue":
        """Set one setting; the text is checked against the setting's kind and limits."""
        ...
