"""What a person has asked to be told, or what somebody wrote to them: a notification for each, once."""

from collections.abc import Sequence
from itertools import takewhile

from mlops_desk.desk.window.frame.alarms import Alarm
from mlops_desk.machine.records.event import Notice

_TITLE = "MLOps Desk"


class Calls:
    """Remembers what was told."""

    def __init__(self) -> None:
        self._said: Notice | None = None
        self._count = 0

    def take(self, notices: Sequence[Notice]) -> list[Alarm]:
        """Take all notices as they are now, the newest first; return what has to be told, the oldest first."""
        fresh = list(takewhile(lambda notice: notice is not self._said, notices))
        self._said = notices[0] if notices else self._said
        return [self._alarm(notice) for notice in reversed(fresh) if notice.personal]

    def _alarm(self, notice: Notice) -> Alarm:
        self._count += 1
        return Alarm(f"call-{self._count}", notice.level, _TITLE, notice.text, hint=notice.hint)
