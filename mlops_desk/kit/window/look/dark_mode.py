"""Dark or light: the setting decides; where it says "system", the desktop does, by Qt's hint or the settings portal.

Qt follows the portal only under some platform themes, so the portal is asked over D-Bus as well, in a
thread of its own with its own event loop; without a session bus nothing is asked.
"""

from __future__ import annotations

import logging
import os
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot

from mlops_desk.kit.window.look import theme

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dbus_fast import Message
    from dbus_fast.aio import MessageBus
    from PySide6.QtWidgets import QApplication

    from mlops_desk.kit.base.loop import Loop

_log = logging.getLogger(__name__)

_PORTAL = "org.freedesktop.portal.Desktop"
_PATH = "/org/freedesktop/portal/desktop"
_INTERFACE = "org.freedesktop.portal.Settings"
_GROUP, _KEY = "org.freedesktop.appearance", "color-scheme"
_DARK = 1  # org.freedesktop.appearance color-scheme: 1 prefers dark
ANSWER_SECONDS = 3.0  # chosen: a bus answers in milliseconds; one that does not is no reason to wait


class Look(QObject):
    """Keeps the application's palette as it is wished."""

    _portal_says = Signal(int)

    def __init__(self, application: QApplication, loop: Loop) -> None:
        super().__init__()
        self._application = application
        self._loop = loop
        self._wish = "system"
        self._portal: int | None = None
        self._portal_says.connect(self._hear_portal, Qt.ConnectionType.QueuedConnection)
        application.styleHints().colorSchemeChanged.connect(self._hear_hint)
        theme.apply(application, dark=self.dark)

    @property
    def dark(self) -> bool:
        """Whether it should be dark now."""
        if self._wish in {"dark", "light"}:
            return self._wish == "dark"
        if self._portal is not None and self._portal != 0:
            return self._portal == _DARK
        return self._application.styleHints().colorScheme() is Qt.ColorScheme.Dark

    def follow(self) -> None:
        """Begin to listen to the desktop's settings, where there is a session bus."""
        if has_session_bus():
            self._loop.start("portal", self._run)

    def wish(self, value: str) -> None:
        """Take the setting: system, dark or light."""
        if value != self._wish:
            self._wish = value
            self._apply()

    def _apply(self) -> None:
        if theme.is_dark() != self.dark:
            theme.apply(self._application, dark=self.dark)

    @Slot(int)
    def _hear_portal(self, scheme: int) -> None:
        self._portal = scheme
        self._apply()

    @Slot(Qt.ColorScheme)
    def _hear_hint(self, _scheme: Qt.ColorScheme) -> None:
        self._apply()

    def _run(self) -> None:
        import asyncio  # noqa: PLC0415 - 15 ms that nobody waits for, in a thread after the first paint

        asyncio.run(self._listen())

    async def _listen(self) -> None:
        import asyncio  # noqa: PLC0415 - as above

        from dbus_fast import MessageType  # noqa: PLC0415 - only where there is a session bus
        from dbus_fast.errors import DBusError  # noqa: PLC0415 - likewise

        def hear(message: Message) -> None:
            if message.member == "SettingChanged" and list(message.body[:2]) == [_GROUP, _KEY]:
                self._tell(message.body[2])

        try:
            async with session_bus() as bus:
                bus.add_message_handler(hear)
                rule = f"type='signal',interface='{_INTERFACE}',member='SettingChanged',path='{_PATH}'"
                await bus.call(_message("org.freedesktop.DBus", "/org/freedesktop/DBus", "AddMatch", "s", [rule]))
                question = _message(_PORTAL, _PATH, "Read", "ss", [_GROUP, _KEY], _INTERFACE)
                answer = await asyncio.wait_for(bus.call(question), ANSWER_SECONDS)
                if answer.message_type is MessageType.METHOD_RETURN:
                    self._tell(answer.body[0])
                await self._loop.run("portal end", self._loop.ending.wait)
        except (OSError, TimeoutError, DBusError, EOFError) as error:
            _log.info("The desktop's settings can't be followed: %s", error)

    def _tell(self, value: object) -> None:
        while hasattr(value, "value"):
            value = value.value
        if isinstance(value, int) and not self._loop.ending.is_set():
            self._portal_says.emit(value)


def _message(
    destination: str, path: str, member: str, signature: str, body: list[str], interface: str = "org.freedesktop.DBus"
) -> Message:
    from dbus_fast import Message  # noqa: PLC0415 - only where there is a session bus

    return Message(
        destination=destination, path=path, interface=interface, member=member, signature=signature, body=body
    )


@asynccontextmanager
async def session_bus() -> AsyncIterator[MessageBus]:
    """Speak with the session bus; however that ends, its socket is closed by then. Raises OSError, TimeoutError."""
    import asyncio  # noqa: PLC0415 - 15 ms that nobody waits for, in a thread after the first paint

    from dbus_fast.aio import MessageBus  # noqa: PLC0415 - with asyncio

    bus = await asyncio.wait_for(MessageBus().connect(), ANSWER_SECONDS)
    try:
        yield bus
    finally:
        bus.disconnect()
        # The socket is closed by the event loop, a moment later; a bus that is gone has closed it already.
        with suppress(OSError, TimeoutError, EOFError):
            closed = bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # the library declares no type
            await asyncio.wait_for(closed, ANSWER_SECONDS)


def has_session_bus() -> bool:
    """Tell whether the person's desktop has a message bus."""
    if os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return True
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}", "bus").is_socket()
