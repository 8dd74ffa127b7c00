"""Notifications of the desktop, over D-Bus, in a thread with its own event loop; none where there is no session bus.

Qt's own way has no urgency, replaces nothing, and needs a tray. A notification is asked once and never waited for:
a notification server that hangs costs a thread for a few seconds.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mlops_desk.kit.window.look.dark_mode import has_session_bus, session_bus
from mlops_desk.kit.window.look.text import notification_text

if TYPE_CHECKING:
    from mlops_desk.desk.window.frame.alarms import Alarm
    from mlops_desk.kit.base.loop import Loop

_log = logging.getLogger(__name__)

_NAME, _PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
_URGENCY = {"alert": 2, "warning": 1}
ANSWER_SECONDS = 3.0  # chosen: a bus answers in milliseconds; one that does not is no reason to wait
STAYS_MILLISECONDS = {"alert": 0, "warning": 15_000}


class Desktop:
    """Sends alarms; the end of an alert replaces the notification of its beginning."""

    def __init__(self, loop: Loop, identity: str, program: str) -> None:
        self._loop = loop
        self._identity = identity
        self._program = program
        self._numbers: dict[str, int] = {}

    def can(self) -> bool:
        """Tell whether there is a desktop to tell."""
        return has_session_bus()

    def tell(self, alarm: Alarm) -> None:
        """Show ``alarm``, without waiting for it."""
        body = self.body(alarm)
        self._loop.start("notification", lambda: self._run(alarm.alert, body))

    def body(self, alarm: Alarm) -> list[Any]:
        """Return the arguments of ``Notify`` for an alarm, in the types the servers insist on."""
        from dbus_fast import Variant  # noqa: PLC0415 - only where there is a session bus

        hints = {
            "urgency": Variant("y", _URGENCY.get(alarm.level, 0)),
            "desktop-entry": Variant("s", self._identity),
        }
        title, text = notification_text(alarm.title), notification_text(alarm.text)
        stays = STAYS_MILLISECONDS.get(alarm.level, -1)
        return [self._program, self._numbers.get(alarm.alert, 0), self._identity, title, text, [], hints, stays]

    def _run(self, alert: str, body: list[Any]) -> None:
        import asyncio  # noqa: PLC0415 - 15 ms that the window's start need not take

        asyncio.run(self._send(alert, body))

    async def _send(self, alert: str, body: list[Any]) -> None:
        import asyncio  # noqa: PLC0415 - as above

        from dbus_fast import Message, MessageType  # noqa: PLC0415 - only where there is a session bus
        from dbus_fast.errors import DBusError  # noqa: PLC0415 - likewise

        message = Message(
            destination=_NAME, path=_PATH, interface=_NAME, member="Notify", signature="susssasa{sv}i", body=body
        )
        try:
            async with session_bus() as bus:
                answer = await asyncio.wait_for(bus.call(message), ANSWER_SECONDS)
        except (OSError, TimeoutError, DBusError, EOFError) as error:
            _log.info("The desktop can't be told: %s", error)
            return
        if answer.message_type is MessageType.METHOD_RETURN:
            self._numbers[alert] = int(answer.body[0])
