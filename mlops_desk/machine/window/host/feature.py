"""The host, as the frame sees it."""

from collections.abc import Iterator

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.feature import Charted, Feature, OfferedAct, later
from mlops_desk.kit.window.live.store import Store


def _charted(store: Store) -> Iterator[Charted]:
    if store.status is not None:
        yield Charted(None, "Host", plain(store.status.host.name, 60))


FEATURE = Feature(
    later("mlops_desk.machine.window.host.page", "HostPage"),
    charted=_charted,
    offers=(
        OfferedAct("host.curves", "Host: curves"),
        OfferedAct("host.processes", "Host: processes"),
    ),
)
