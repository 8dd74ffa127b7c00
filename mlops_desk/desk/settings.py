"""Settings as verbs: list them, set one, and tell everybody. A secret one goes in and never comes out again."""

import json
import re
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.desk.network.validation import holds_login, judge
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Hint, NotFound
from mlops_desk.kit.base.setting import Setting
from mlops_desk.kit.base.settings import SETTINGS, SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.records.setting import SettingValue
from mlops_desk.machine.alerts import webhook
from mlops_desk.machine.records.event import SettingsChanged
from mlops_desk.registry import default_registry

_LOGIN_OF_URI = re.compile(r"://[^\"?#]*@")
"""The user and password in the address of a registry; a password may have a slash in it."""
_PASSWORD_BESIDE = re.compile(r"(pass(?:word|wd|file)=)[^&\"]*", re.IGNORECASE)
"""What libpq takes a password by, besides its own place."""
HIDDEN = "(set, hidden)"
"""What stands for a secret value; setting a secret to it changes nothing."""


class SettingsService:
    """Implements ``verbs.Settings``. ``judge`` raises Invalid for a value that can't be what its key means.

    ``is_kept`` tells whether a registry is kept by a name.
    """

    def __init__(
        self,
        store: SettingsStore,
        bus: Bus,
        judge: Callable[[str, str], None] = judge,
        is_kept: Callable[[str], bool] = lambda _name: False,
    ) -> None:
        self._is_kept = is_kept
        self._store = store
        self._bus = bus
        self._judge = judge

    def list(self) -> list[SettingValue]:
        return [self._value(setting) for setting in SETTINGS]

    def show(self, key: str) -> SettingValue:
        """Return one setting. Raises NotFound."""
        for setting in SETTINGS:
            if setting.key == key:
                return self._value(setting)
        raise NotFound(f"There is no setting {plain(key)}.", Hint("mlops-desk settings list"))

    def set(self, key: str, value: str) -> SettingValue:
        setting = next((setting for setting in SETTINGS if setting.key == key), None)
        if setting is not None and setting.secret and value == HIDDEN:
            return self._value(setting)
        if key == "alerts.webhook" and value:
            webhook.check_reach(webhook.parse(value), allow_private=self._store.switch("alerts.webhook_private"))
        if key == default_registry.SETTING:
            default_registry.check(value, self._is_kept)
        self._judge(key, value.strip())
        self._store.set(key, value)
        self._bus.publish(SettingsChanged((key,)))
        return self.show(key)

    def _value(self, setting: Setting) -> SettingValue:
        return SettingValue(
            key=setting.key,
            title=setting.title,
            help=setting.help,
            kind=setting.kind,
            value=self._shown(setting),
            default=setting.default,
            section=setting.section,
            choices=setting.choices,
            minimum=setting.minimum,
            maximum=setting.maximum,
            unit=setting.unit,
            secret=setting.secret,
        )

    def _shown(self, setting: Setting) -> str | int | float | bool:
        value = self._store.get(setting.key)
        return HIDDEN if setting.secret and value != setting.default else value


def without_secrets(entry: AuditEntry) -> AuditEntry:
    """Return an audit entry that does not tell what a secret setting, or a secret, was set to."""
    if entry.verb == "secrets.set":
        return _without_value(entry)
    if entry.verb == "registry.page":
        return replace(entry, outcome=entry.outcome and HIDDEN)  # an address that opens something
    if '"uri"' in entry.arguments or entry.verb == "monitors.create":
        return replace(entry, arguments=_PASSWORD_BESIDE.sub(rf"\1{HIDDEN}", _LOGIN_OF_URI.sub("://", entry.arguments)))
    if entry.verb != "settings.set":
        return entry
    secrets = {setting.key for setting in SETTINGS if setting.secret}
    try:
        arguments = json.loads(entry.arguments)
        is_open = arguments["key"] not in secrets and not holds_login(arguments["key"], arguments["value"])
    except (ValueError, KeyError, TypeError, RecursionError):
        arguments, is_open = {"key": "?"}, False  # cut or odd: rather too little than a secret
    if is_open:
        return entry
    shown = json.dumps({"key": arguments["key"], "value": HIDDEN}, ensure_ascii=False)
    return replace(entry, arguments=plain(shown, len(entry.arguments) + len(HIDDEN)), error=entry.error and HIDDEN)


def _without_value(entry: AuditEntry) -> AuditEntry:
    """Keep the name alone, and that only where the entry is whole: rather too little than a secret."""
    try:
        name = str(json.loads(entry.arguments)["name"])
    except (ValueError, KeyError, TypeError, RecursionError):
        name = "?"
    shown = json.dumps({"name": plain(name, 100), "value": HIDDEN}, ensure_ascii=False)
    return replace(entry, arguments=shown, before=None, error=entry.error and HIDDEN)
