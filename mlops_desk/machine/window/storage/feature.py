"""Disks and networks, as the frame sees them."""

from collections.abc import Iterator

from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.feature import Charted, Feature, go, later
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store


def _things(context: Context) -> Iterator[Action]:
    for one in _charted(context.store):
        if one.key is not None:
            yield go(context, "storage", one.key, f"{one.title} {one.also}".strip())


def _charted(store: Store) -> Iterator[Charted]:
    status = store.status
    if status is None:
        return
    for disk in status.disks:
        yield Charted(f"disk {disk.name}", f"Disk {disk.name}", disk.model or "")
    for mounted in status.filesystems:
        yield Charted(f"filesystem {mounted.mount}", f"Filesystem {mounted.mount}")
    for network in status.networks:
        yield Charted(f"network {network.name}", f"Network {network.name}")


FEATURE = Feature(later("mlops_desk.machine.window.storage.page", "StoragePage"), things=_things, charted=_charted)
