"""Settings as verbs: list them, set one, and tell everybody."""

import os

from mlops_desk.base.bus import Bus
from mlops_desk.base.caller import current_caller
from mlops_desk.base.errors import NotFound, Refused
from mlops_desk.base.settings import SETTINGS, Setting, SettingsStore
from mlops_desk.base.text import plain
from mlops_desk.records.event import SettingsChanged
from mlops_desk.records.setting import SettingValue


class SettingsService:
    """Implements ``verbs.Settings``."""

    def __init__(self, store: SettingsStore, bus: Bus) -> None:
        self._store = store
        self._bus = bus

    def list(self) -> list[SettingValue]:
        return [self._value(setting) for setting in SETTINGS]

    def show(self, key: str) -> SettingValue:
        """Return one setting. Raises NotFound."""
        for setting in SETTINGS:
            if setting.key == key:
                return self._value(setting)
        raise NotFound(f"There is no setting {plain(key)}.", "mlops-desk settings list")

    def set(self, key: str, value: str) -> SettingValue:
        if current_caller().uid not in {0, os.getuid()}:
            raise Refused("Only the agent's own user may change its settings.")
        self._store.set(key, value)
        self._bus.publish(SettingsChanged((key,)))
        return self.show(key)

    def _value(self, setting: Setting) -> SettingValue:
        return SettingValue(
            key=setting.key,
            title=setting.title,
            help=setting.help,
            kind=setting.kind,
            value=self._store.get(setting.key),
            default=setting.default,
            section=setting.section,
            choices=setting.choices,
            minimum=setting.minimum,
            maximum=setting.maximum,
            unit=setting.unit,
        )
