"""Disks and networks, as the frame sees them."""

from collections.abc import Iterator

from mlops_desk.ui.actions import Action
from mlops_desk.ui.feature import Feature, go, later
from mlops_desk.ui.live.context import Context


def _things(context: Context) -> Iterator[Action]:
    status = context.store.status
    if status is None:
        return
    for disk in status.disks:
        yield go(context, "storage", f"disk {disk.name}", f"Disk {disk.name} {disk.model or ''}")
    for mounted in status.filesystems:
        yield go(context, "storage", f"filesystem {mounted.mount}", f"Filesystem {mounted.mount}")
    for network in status.networks:
        yield go(context, "storage", f"network {network.name}", f"Network {network.name}")


FEATURE = Feature(later("mlops_desk.ui.storage.page", "StoragePage"), things=_things)
