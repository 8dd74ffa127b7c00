"""What a page is handed: the store to read, a way to ask the agent, and a way to say something."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from PySide6.QtCore import QObject, QSettings, Signal

from mlops_desk.kit.base.errors import DeskError, Unavailable
from mlops_desk.kit.window.curves.timeaxis import TimeAxis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PySide6.QtCore import QSettings
    from PySide6.QtWidgets import QWidget

    from mlops_desk.kit.base.disk.agent_address import AgentAddress
    from mlops_desk.kit.verbs.desk import ClientLike
    from mlops_desk.kit.window.live.bridge import Bridge
    from mlops_desk.kit.window.live.past import MachineThen
    from mlops_desk.kit.window.live.store import Store, Topic
    from mlops_desk.kit.window.live.tasks import Done, Failed, Task, Tasks


# Whether somebody looks: when the last look was, and that a person came back after a while.
# A look is what a person does to the window: bring it up, point at it, choose a page, press a key. The time of the
# last one is remembered, so that the next start knows what was missed.
AWAY_SECONDS = 1800.0  # chosen: who is back after half an hour does not know what happened
WRITE_SECONDS = 60.0  # chosen: each write is a file
_KEY = "overview/seen_at"


class Presence(QObject):
    """Remembers looks. ``away_since`` is the last look before an absence that nobody has been told of yet."""

    returned = Signal()

    def __init__(self, memory: QSettings) -> None:
        super().__init__()
        self._memory = memory
        self._written = self._last = _number(memory.value(_KEY))
        self.away_since: float | None = None

    def look(self, now: float | None = None) -> None:
        """Note a look at Unix time ``now``; tells ``returned`` when the one before was long ago."""
        at = time.time() if now is None else now
        last, self._last = self._last, at
        if last is not None and at - last > AWAY_SECONDS:
            self.away_since = last
            self.returned.emit()
        if self._written is None or abs(at - self._written) > WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Remember the last look for the next start."""
        if self._last is not None:
            self._written = self._last
            self._memory.setValue(_KEY, self._last)

    def told(self) -> None:
        """Hear that the person knows what happened."""
        self.away_since = None


def _number(stored: object) -> float | None:
    try:
        return float(str(stored)) if stored is not None else None
    except ValueError:
        return None


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UiOptions:
    """How the window was asked for: whose agent it shows, how it begins, and the address of what it shows first."""

    address: AgentAddress
    demo: bool = False
    tray: bool = False
    destination: str = ""


class Context(QObject):
    """One for each window. ``changed`` tells which topics changed; ``said`` carries a short notice.

    ``offered`` carries one with what can be done about it: its words, the act's title, and what does it.

    ``axis`` is the time axis of every chart in it. ``open_page`` goes to a page and selects a thing on it; ``act``
    does what another feature declares by a name ("endpoints.deploy"), with what it is to be done to.

    ``wanted_moment`` asks the time axis to show a time (Unix seconds).
    ``frame`` is the window, for dialogs that more than one page opens.
    """

    changed = Signal(object)
    said = Signal(str, str)
    offered = Signal(str, str, object)
    wanted_moment = Signal(float)

    def __init__(self, store: Store, bridge: Bridge, tasks: Tasks, memory: QSettings, options: UiOptions) -> None:
        super().__init__()
        self.store = store
        self.memory = memory
        self.options = options
        self.open_page: Callable[[str, str | None], None] = lambda _page, _thing: None
        self.act: Callable[..., None] = lambda _act, *_things: None
        self.frame: QWidget | None = None
        self.presence = Presence(memory)
        self.axis = TimeAxis(self)
        self._bridge = bridge
        self._tasks = tasks
        self._loads: dict[Topic, Task] = {}
        self._together = 0
        self._untold: set[Topic] = set()
        tasks.around = self.together

    def ask(self, name: str, call: Callable[[ClientLike], T], done: Done[T], failed: Failed | None = None) -> Task:
        """Ask the agent in a worker thread; a failure nobody handles is said as a notice."""
        return self._tasks.run(name, lambda: call(self._client()), done, failed or self.complain)

    @cached_property
    def past(self) -> MachineThen:
        """What was at the time that charts show, while that is in history."""
        from mlops_desk.kit.window.live.past import MachineThen  # noqa: PLC0415 - it needs records

        past = MachineThen(self.axis, self.store, self.ask, self)
        self.changed.connect(past.hear)
        return past

    def open_at(self, page: str, thing: str | None, moment: float) -> None:
        """Go to a thing on a page; pages with a time axis show Unix time ``moment``."""
        self.open_page(page, thing)
        self.wanted_moment.emit(moment)

    def tasks(self) -> Tasks:
        return self._tasks

    def read(
        self, name: str, call: Callable[[ClientLike], Any], lines: Done[list[str]], ended: Done[None], failed: Failed
    ) -> Task:
        """Read lines from the agent in a worker thread."""
        return self._tasks.read(name, lambda: call(self._client()), lines, lambda: ended(None), failed)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Tell once, at the end, of all parts that are loaded meanwhile: a page is painted for all of them at once."""
        self._together += 1
        try:
            yield
        finally:
            self._together -= 1
            if not self._together and self._untold:
                topics, self._untold = frozenset(self._untold), set()
                self.changed.emit(topics)

    def _tell(self, topic: Topic) -> None:
        with self.together():
            self._untold.add(topic)

    def load(self, topic: Topic) -> None:
        """Ask for a part anew; whoever shows it hears of it through ``changed``."""
        under_way = self._loads.get(topic)
        if under_way is not None:
            under_way.cancel()
        question = self.store.loaded[topic].ask
        self.store.asked(topic)
        self._tell(topic)

        def done(value: Any) -> None:
            from mlops_desk.kit.window.live import announcements  # noqa: PLC0415 - it needs all records

            announcements.answered(self.store, topic, value)
            self._tell(topic)

        def failed(error: DeskError) -> None:
            self.store.refused(topic, error)
            self._tell(topic)

        self._loads[topic] = self.ask(f"load {topic}", lambda desk: question(desk, self.store), done, failed)

    def cancel_load(self, topic: Topic) -> None:
        """Stop waiting for a part."""
        task = self._loads.pop(topic, None)
        if task is not None:
            task.cancel()
        self.store.refused(topic, DeskError("Loading was cancelled.", "Press F5 to try again."))
        self._tell(topic)

    def complain(self, error: DeskError) -> None:
        """Say an error as a notice."""
        self.say("alert", f"{error.message} {error.hint or ''}".strip())

    def say(self, level: str, text: str) -> None:
        """Show a short notice; ``level`` is info, warning or alert."""
        self.said.emit(level, text)

    def offer(self, text: str, act: str, do: Callable[[], None]) -> None:
        """Say what was done, with a button beside it: to undo it, or to go and look."""
        self.offered.emit(text, act, do)

    def _client(self) -> ClientLike:
        client = self._bridge.client
        if client is None:
            raise Unavailable("The agent is not reachable yet.", "Wait until the bottom line says that it is.")
        return client
