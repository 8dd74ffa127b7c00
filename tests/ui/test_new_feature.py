"""What a new feature of the window takes: one folder, and one line in the catalogue."""

import gc
import sys

import pytest
from doubles import Double
from PySide6.QtCore import Qt

from mlops_desk.desk.window import catalogue
from mlops_desk.kit import window
from mlops_desk.kit.window.feature import PageSpec
from mlops_desk.machine.records import event as events

FILES = {
    "__init__.py": '"""The page on sweeps."""\n',
    "page.py": '''"""The page."""

from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.page import Page
from PySide6.QtWidgets import QVBoxLayout

SWEEPS = Topic("sweeps")


class SweepsPage(Page):
    topics = frozenset({SWEEPS})
    loads = (SWEEPS,)

    def __init__(self, context):
        super().__init__(context)
        self.said = Label()
        self.revealed = None
        QVBoxLayout(self.content).addWidget(self.said)

    def refresh(self, topics):
        value = self.context.store.part(SWEEPS).value
        if value is not None:
            self.show_content()
            self.said.show_text(", ".join(value))

    def reveal(self, key):
        self.revealed = key
''',
    "feature.py": '''"""Sweeps, as the frame sees them."""

from mlops_desk.machine.records import event as events
from mlops_desk.kit.window.feature import Badge, Feature, go
from mlops_desk.kit.window.live.store import Loaded
from mlops_desk.kit.window.sweeps.page import SWEEPS, SweepsPage
from mlops_desk.kit.window.widgets.lines import Line
from mlops_desk.kit.window.words.numbers import Mark


def _keep(store, event):
    store.part(SWEEPS).value[event.job.id] = event.job
    return True


FEATURE = Feature(
    SweepsPage,
    loads=(Loaded(SWEEPS, lambda desk, _store: {"lr": 0.1}, {events.JobChanged: _keep}, early=True),),
    badge=Badge(frozenset({SWEEPS}), lambda store: Mark("info", str(len(store.part(SWEEPS).value or ())), "sweeps")),
    things=lambda context: [go(context, "sweeps", "lr", "Sweep lr")],
    wrong_now=lambda store: [Line(Mark("warning", "!", "stuck"), "sweep lr is stuck", "now", "sweeps/lr")],
    sources=frozenset({"sweeps"}),
    shows={"sweep": lambda store, key: key},
    acts={"sweeps.start": lambda made, *things: made.append(things)},
)
''',
}


@pytest.fixture
def sweeps(tmp_path, monkeypatch):
    """A ninth feature: a folder of its own, and a line."""
    folder = tmp_path / "sweeps"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    monkeypatch.setattr(window, "__path__", [*window.__path__, str(tmp_path)])
    spec = PageSpec("sweeps", "Sweeps", "M3 10h14", "mlops_desk.kit.window.sweeps")
    monkeypatch.setattr(catalogue, "PAGES", (*catalogue.PAGES[:-1], spec, catalogue.PAGES[-1]))
    catalogue.feature.cache_clear()
    yield spec
    catalogue.feature.cache_clear()
    for name in [name for name in sys.modules if name.startswith("mlops_desk.kit.window.sweeps")]:
        del sys.modules[name]
    gc.collect()


def test_a_feature_is_a_folder_and_a_line(sweeps, start, double, qtbot):
    program = start(double, "sweeps")
    page = program.window.page()
    qtbot.waitUntil(lambda: page.said.whole == "lr")
    assert program.window.title_row.title.whole == "Sweeps"
    button = program.window.sidebar._buttons["sweeps"]
    qtbot.waitUntil(lambda: button._badge is not None and button._badge.shape == "1")
    job = next(iter(double.jobs_by_id.values()))
    double.announce(events.JobChanged(job))
    qtbot.waitUntil(lambda: button._badge.shape == "2")


def test_it_is_found_by_the_palette_and_the_overview_and_a_notice_leads_to_it(sweeps, start, double, qtbot):
    program = start(double, "overview")
    overview = program.window.page()
    qtbot.waitUntil(lambda: any(line.key == "sweeps/lr" for line in overview._notices._lines))
    assert "Sweep lr" in [action.title for action in program.window._everything()]
    program.window._say_notice(events.Notice("warning", "sweeps", "It is stuck.", about=("sweep", "lr")))
    qtbot.mouseClick(program.window.notices.act, Qt.MouseButton.LeftButton)
    assert program.window.title_row.title.whole == "Sweeps"
    assert program.window.page().revealed == "lr"


def test_another_feature_asks_it_for_an_act_by_name(sweeps, start):
    made: list[object] = []
    start(Double(beat_seconds=0.2)).context.act("sweeps.start", made, "lr", 3)
    assert made == [("lr", 3)]
    with pytest.raises(KeyError):
        catalogue.act("sweeps.stop")
