"""The requests of one endpoint that want a label, and which of them is before the person now. No Qt here."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlops_desk.records.serving.label import LabelTask

Row = tuple[str, int]
"""A request and a row of it."""


def row_of(task: LabelTask) -> Row:
    return task.request_id, task.row


@dataclass
class LabelTray:
    """``said`` has what was said here, by row; what was said goes on being seen, so that it can be said otherwise."""

    tasks: list[LabelTask] = field(default_factory=list)
    place: int = 0
    said: dict[Row, str] = field(default_factory=dict)

    def fill(self, tasks: Sequence[LabelTask]) -> None:
        """Take the tasks that there are now, and begin with the first."""
        self.tasks = list(tasks)
        self.place = 0

    def task(self) -> LabelTask | None:
        """Return the one that is before the person."""
        return self.tasks[self.place] if 0 <= self.place < len(self.tasks) else None

    def move(self, by: int) -> bool:
        """Go to the next or the one before; False at an end."""
        place = self.place + by
        if not 0 <= place < len(self.tasks):
            return False
        self.place = place
        return True

    def say(self, row: Row, label: str) -> bool:
        """Take what was said of a row; go on to the next that nobody has said anything of. False: it was the last."""
        self.said[row] = label
        after = [*range(self.place + 1, len(self.tasks)), *range(self.place)]
        found = next((place for place in after if row_of(self.tasks[place]) not in self.said), None)
        if found is None:
            return False
        self.place = found
        return True

    def left(self) -> int:
        """Return of how many nobody has said anything."""
        return sum(row_of(task) not in self.said for task in self.tasks)
