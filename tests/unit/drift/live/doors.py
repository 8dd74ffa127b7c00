"""What a cutter is told of sources by a house that has none of them, or one."""

from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.live.windowing import SourceDoors


def doors(place=None, fetched=None, password=None):
    return SourceDoors(
        lambda _monitor: place or LogPlace("", ()),
        lambda _monitor, folder: fetched(folder) if fetched is not None else None,
        lambda _monitor: password,
    )
