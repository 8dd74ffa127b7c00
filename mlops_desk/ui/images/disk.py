"""Room on the engine's disk, and its volumes: what takes how much, and what uses each."""

from dataclasses import dataclass

from PySide6.QtCore import Qt

from mlops_desk.records.images.card import ImageRoom, VolumeCard
from mlops_desk.ui.images import columns, loads
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.asked import AskedView
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.meters import Meter, Meters
from mlops_desk.ui.words import numbers
from mlops_desk.verbs.desk import ClientLike

_HIGH = 0.9  # chosen: where a filesystem is told to be nearly full


@dataclass(frozen=True, slots=True)
class EngineDisk:
    """What was answered together."""

    room: ImageRoom
    volumes: dict[str, VolumeCard]


class DiskView(AskedView[EngineDisk]):
    """Bars above, volumes below."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, "Room and volumes", self._ask_both)
        self.bars = Meters("Room on the engine's disk")
        self.place = Label("", tone="muted")
        self.table: RecordTable[VolumeCard] = RecordTable("Volumes", columns.VOLUMES, context.memory)
        self.table.sort_by_key("size", Qt.SortOrder.DescendingOrder)
        self._none = Label("This engine has no volumes.", tone="muted")
        above = Card("Room on the engine's disk")
        above.column.addWidget(self.bars)
        above.column.addWidget(self.place)
        below = Card("Volumes")
        below.column.addWidget(self._none)
        below.column.addWidget(self.table, 1)
        below.column.addStretch()
        self.content.addWidget(above)
        self.content.addWidget(below, 1)

    def _ask_both(self, desk: ClientLike) -> EngineDisk:
        engine = loads.engine(self.context.store)
        volumes = {volume.name: volume for volume in desk.images.volumes(engine=engine)}
        return EngineDisk(desk.images.room(engine=engine), volumes)

    def take(self, value: EngineDisk) -> None:
        self.bars.show_meters(meters(value.room))
        place = f"It lies in {value.room.folder}." if value.room.folder else ""
        self.place.show_text(place)
        self.place.setVisible(bool(place))
        self.table.show_records(value.volumes)
        self.table.sort_again()
        self.table.setVisible(bool(value.volumes))
        self._none.setVisible(not value.volumes)


def meters(room: ImageRoom) -> list[Meter]:
    """Return a bar for each thing that takes room, beside what is left; the whole is what of it is known."""
    parts = (("Images", room.images_bytes), ("Build cache", room.build_cache_bytes), ("Volumes", room.volumes_bytes))
    taken = sum(size or 0 for _, size in parts)
    whole = taken + room.free_bytes if room.free_bytes is not None else max(taken, 1)
    rows = [Meter(name, None if size is None else size / max(whole, 1), _told(size)) for name, size in parts]
    if room.free_bytes is not None:
        tone = "warning" if taken / max(whole, 1) > _HIGH else "ok"
        rows.append(Meter("Left", room.free_bytes / max(whole, 1), numbers.size(room.free_bytes), tone))
    return rows


def _told(size: int | None) -> str:
    return "not known" if size is None else numbers.size(size)
