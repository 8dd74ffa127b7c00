"""Settings and what the machine lacks, as the frame sees them."""

from collections.abc import Iterator

from mlops_desk.kit.records.agent import Check
from mlops_desk.kit.records.setting import SettingValue
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.feature import Feature, OfferedAct, as_it_is, go, later
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Loaded, Store, Topic
from mlops_desk.machine.records import event as events


def _ask_settings(desk: ClientLike, _store: Store) -> dict[str, SettingValue]:
    return {setting.key: setting for setting in desk.settings.list()}


def _ask_checks(desk: ClientLike, _store: Store) -> list[Check]:
    return desk.agent.doctor()


def _settings_changed(store: Store, _event: events.SettingsChanged) -> bool:
    store.settings_changed = True
    return True


def _things(context: Context) -> Iterator[Action]:
    yield go(context, "settings", "engines", "Container engines", "Docker Podman proven GPUs")
    yield go(context, "settings", "secrets", "Secrets", "token password key credentials")
    yield go(context, "settings", "registries", "Registries", "MLflow tracking servers stores doctor clean up add")
    yield go(context, "settings", "disk", "Disk of jobs: copies of data", "staging cache logs snapshots budget room")
    for key, setting in (context.store.settings.value or {}).items():
        also = f"{key} {setting.help} {' '.join(setting.choices)}"
        yield go(context, "settings", key, f"Setting: {setting.section}, {setting.title}", also)


FEATURE = Feature(
    later("mlops_desk.desk.window.settings.page", "SettingsPage"),
    loads=(
        Loaded(Topic.CHECKS, _ask_checks, early=True),
        Loaded(Topic.SETTINGS, _ask_settings, {events.SettingsChanged: _settings_changed}, early=True),
    ),
    things=_things,
    sources=frozenset({"settings", "metrics"}),
    shows={"setting": as_it_is},
    offers=(
        OfferedAct("settings.settings", "Settings: settings"),
        OfferedAct("settings.engines", "Settings: engines"),
        OfferedAct("settings.secrets", "Settings: secrets"),
        OfferedAct("settings.registries", "Settings: registries"),
        OfferedAct("settings.disk", "Settings: disk of jobs"),
    ),
)
