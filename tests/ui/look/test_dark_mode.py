"""Dark and light follow the desktop by its settings portal, on a session bus of the test's own."""

import asyncio
import gc
import shutil
import subprocess
import threading
import warnings

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from mlops_desk.kit.window.look import dark_mode, theme

NAME, PATH = "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop"
INTERFACE = "org.freedesktop.portal.Settings"
KEY = ["org.freedesktop.appearance", "color-scheme"]


class Portal:
    """A desktop with one setting."""

    def __init__(self, address: str, scheme: int) -> None:
        self.scheme = scheme
        self._address = address
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        assert self._ready.wait(5)

    async def _serve(self) -> None:
        self._done = asyncio.Event()
        self._bus = await MessageBus(bus_address=self._address).connect()
        self._hear = self._answer
        self._bus.add_message_handler(self._hear)
        await self._bus.request_name(NAME)
        self._ready.set()
        await self._done.wait()
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()

    def _answer(self, message: Message) -> Message | None:
        if message.message_type is MessageType.METHOD_CALL and message.member == "Read":
            return Message.new_method_return(message, "v", [Variant("v", Variant("u", self.scheme))])
        return None

    def change(self, scheme: int) -> None:
        signal = Message.new_signal(PATH, INTERFACE, "SettingChanged", "ssv", [*KEY, Variant("u", scheme)])
        self._loop.call_soon_threadsafe(self._bus.send, signal)

    def hold(self) -> None:
        """Take every question, and answer none."""
        self._bus.remove_message_handler(self._hear)
        self._bus.add_message_handler(lambda message: message.member == "Read")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(5)
        self._loop.close()


@pytest.fixture
def bus(monkeypatch):
    assert shutil.which("dbus-daemon"), "the tests need dbus-daemon"
    daemon = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address=1"], stdout=subprocess.PIPE, text=True
    )
    address = daemon.stdout.readline().strip()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    yield address
    daemon.terminate()
    daemon.wait()
    daemon.stdout.close()


def test_the_portals_wish_is_followed_while_running(bus, start, double, qtbot):
    portal = Portal(bus, scheme=1)
    try:
        start(double)
        qtbot.waitUntil(theme.is_dark)
        portal.change(2)
        qtbot.waitUntil(lambda: not theme.is_dark())
        # The person's own setting wins over the desktop's.
        double.settings.set("ui.theme", "dark")
        qtbot.waitUntil(theme.is_dark)
        portal.change(2)
        qtbot.wait(50)
        assert theme.is_dark()
    finally:
        portal.stop()


def test_a_portal_that_does_not_answer_leaves_no_socket_open(bus, start, double, qtbot, monkeypatch, caplog):
    monkeypatch.setattr(dark_mode, "ANSWER_SECONDS", 0.3)
    portal = Portal(bus, scheme=1)
    portal._loop.call_soon_threadsafe(portal.hold)
    try:
        with caplog.at_level("INFO"):
            start(double)
            qtbot.waitUntil(lambda: "can't be followed" in caplog.text)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            gc.collect()
        assert [str(one.message) for one in said if one.category is ResourceWarning] == []
    finally:
        portal.stop()


def test_a_bus_without_a_portal_does_no_harm(bus, start, double, qtbot):
    program = start(double)
    qtbot.wait(50)
    assert program.store.connection.state == "live"
