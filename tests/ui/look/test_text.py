"""Text from outside is shown as it is: plain, capped, and by the one helper only."""

import ast
import gc
import itertools
import math
import re
import time
import unicodedata
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from doubles import Double, job_record, some_endpoints, some_models
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from mlops_desk.desk.window.catalogue import PAGES
from mlops_desk.drift.window import retraining
from mlops_desk.drift.window import words as drift_words
from mlops_desk.jobs.records.brief import brief_of
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.window.detail import facts as jobfacts
from mlops_desk.jobs.window.table import columns as jobcolumns
from mlops_desk.kit.base.text import NAME_LIMIT
from mlops_desk.kit.window.live.store import Store
from mlops_desk.kit.window.look import text, theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.model import RecordModel
from mlops_desk.machine.records import event as events
from mlops_desk.registry.records.version_hit import ModelCard, VersionHit
from mlops_desk.registry.window.models.list import COLUMNS as MODEL_COLUMNS
from mlops_desk.registry.window.models.versions.rows import VersionLine
from mlops_desk.registry.window.models.versions.rows import columns as version_columns
from mlops_desk.serving.window import page as endpointcolumns
from mlops_desk.serving.window.day_history import NOTHING

PACKAGE = Path(__file__).resolve().parents[3] / "mlops_desk"
HELPER = PACKAGE / "kit/window/look/text.py"
BANNED_CALLS = {"QLabel", "QMessageBox", "QTextBrowser", "QTextEdit", "QToolTip", "QWhatsThis"}
BANNED_METHODS = {
    "setToolTip",
    "setHtml",
    "setStatusTip",
    "setWhatsThis",
    "showMessage",
    "setTextFormat",
    "setStyleSheet",
}
# A list's items, those of a graph and the tray's icon have no widget for set_tip; they are given text by tip_text and menu_text.
ALLOWED = {("kit/window/widgets/lines.py", "setToolTip"), ("desk/window/frame/tray.py", "setToolTip"),
           ("desk/window/frame/tray.py", "showMessage"), ("kit/window/parts/lineage/items.py", "setToolTip"),
           ("registry/window/runs/experiments.py", "setToolTip"), ("registry/window/runs/toolbar/columns.py", "setToolTip"),
           ("kit/window/charts/overlay/legend.py", "setToolTip"),
           # A card's page, which our own code wrote and escaped: it is printed in a process of its own, never shown.
           ("kit/window/pdf_worker.py", "setHtml")}  # fmt: skip

NESTED = "<table><tr><td>" * 16
HOSTILE = [
    NESTED, "<img src=/etc/passwd>", "<s>hello</s>", "a<br>b", "<a href='file:///etc/hostname'>x</a>", "&lt;b&gt;",
    "\u202egnp.exe", "\x1b[31mred\x1b[0m", "nul\x00byte", "tab\tnew\nline\r", "%s%n{0}{x}", "&File &Quit", "=1+1",
    "\ud800", "\U000e0001tag", "W" * 100_000, "\n" * 5000, "<?xml version='1.0'?>", "{\\rtf1}", "'\"`;--", "\u200b\u200f",
]  # fmt: skip


COLOUR = re.compile("#([0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})")


def calls_and_texts(source: str) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return what a module calls by its bare name, and the texts in it, each with its line."""
    calls, texts = [], []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            calls.append((node.lineno, name))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append((node.lineno, node.value))
    return calls, texts


@cache
def of_the_window() -> tuple[dict[Path, list[tuple[int, str]]], dict[Path, list[tuple[int, str]]]]:
    """Return the calls that make labels or tips, and the colours, of all modules: to parse them takes seconds."""
    made, colours = {}, {}
    for path in (path for path in PACKAGE.rglob("*.py") if "window" in path.parts):
        calls, texts = calls_and_texts(path.read_text())
        made[path] = [(line, name) for line, name in calls if name in BANNED_CALLS | BANNED_METHODS]
        colours[path] = [(line, value) for line, value in texts if COLOUR.fullmatch(value)]
    return made, colours


@pytest.mark.slow
def test_nothing_but_the_helper_makes_labels_or_tips():
    found = []
    for path, calls in of_the_window()[0].items():
        place = str(path.relative_to(PACKAGE))
        if path != HELPER:
            found += [
                f"{place}:{line} {name}" for line, name in calls if name in BANNED_CALLS or (place, name) not in ALLOWED
            ]
    assert not found


@pytest.mark.slow
def test_nothing_but_the_theme_names_a_colour():
    found = [
        f"{path}:{line} {value}"
        for path, colours in of_the_window()[1].items()
        if path.name != "theme.py"
        for line, value in colours
    ]
    assert not found


def test_the_search_finds_calls_and_colours():
    calls, texts = calls_and_texts('QLabel("#fff")\nwidget.setToolTip(tip)')
    assert (calls, texts) == ([(1, "QLabel"), (2, "setToolTip")], [(1, "#fff")])
    assert of_the_window()[0][HELPER]
    assert of_the_window()[1][PACKAGE / "kit/window/look/theme.py"]


def _relative_luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("tokens", [theme.LIGHT, theme.DARK])
def test_every_state_is_legible_on_its_surface(tokens):
    ground = _relative_luminance(tokens.surface)

    def contrast(colour: str) -> float:
        light, dark = sorted((_relative_luminance(colour), ground), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    for name in ("text", "muted", "accent", "ok", "warning", "alert", "info", "paused", "unknown"):
        assert contrast(getattr(tokens, name)) >= 4.5, name
    assert all(contrast(colour) >= 3.4 for colour in tokens.series)


@pytest.mark.parametrize("tokens", [theme.LIGHT, theme.DARK])
def test_where_one_types_or_chooses_is_seen_on_every_ground(tokens):
    edge = _relative_luminance(tokens.outline)
    for ground in (tokens.window, tokens.surface, tokens.raised):
        light, dark = sorted((edge, _relative_luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3.0


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("wrap", [False, True])
def test_a_label_shows_it_plain_capped_and_fast(qtbot, hostile, wrap):
    label = Label("", wrap=wrap)
    qtbot.addWidget(label)
    label.resize(200, 40)
    label.show_text(hostile)
    label.grab()
    assert label.textFormat() is Qt.TextFormat.PlainText
    assert len(label.text()) <= max(text.LINE_LIMIT, text.PARAGRAPH_LIMIT) + 1
    shown = label.text().replace("\n", "")
    assert not any(ord(letter) < 32 for letter in shown)
    assert is_inert(label.toolTip())


@given(st.text(max_size=3000))
@settings(max_examples=200, deadline=None)
def test_a_tip_shows_every_character_it_was_given(words):
    tip = text.tip_text(words)
    if tip.startswith("<p>"):
        inside = tip.removeprefix("<p>").removesuffix("</p>").replace("<br>", "\n")
        assert "<" not in inside
        tip = inside.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert tip == text.paragraph(words, 600)


def poisoned(hostile: str) -> Double:
    """Return an agent all of whose texts are ``hostile``."""
    double = Double(beat_seconds=0.2)
    job = job_record(
        "j1", hostile, JobState.FAILED, hostile[:50], reason=Reason("x", hostile, hostile, hostile), container=hostile
    )
    double.jobs_by_id = {"j1": job}
    model = some_models()[0]
    aliases, tags = {hostile: "3"}, {hostile: hostile}
    double.models_by_name = {hostile: replace(model, name=hostile, aliases=aliases, description=hostile, tags=tags)}
    endpoint = some_endpoints()[2]
    double.endpoints_by_name = {
        hostile: replace(
            endpoint, name=hostile, url=hostile, image=hostile, reason=Reason("x", hostile, hostile, hostile)
        )
    }
    double.reports = [
        replace(
            report,
            endpoint=hostile,
            columns=tuple(replace(c, name=f"{n}{hostile}", text=hostile) for n, c in enumerate(report.columns)),
        )
        for report in double.reports
    ]
    rule = next(iter(double.rules_by_name.values()))
    double.rules_by_name = {hostile: replace(rule, name=hostile, model=hostile)}
    double.retrainings_by_id = {
        "t": replace(next(iter(double.retrainings_by_id.values())), rule=hostile, trigger=hostile, text=hostile)
    }
    double.log_lines = [hostile] * 20
    return double


# All that ``rich`` looks for is markup, of any kind; the rest must only be borne. Texts of one way to do harm stand in one
# window, each piece before the shortest cut (40 characters) that a view makes.
IN_VIEWS = [
    NESTED,
    "&lt;b&gt;<s>hello</s>a<br>b<img src=/etc/passwd><a href='file:///etc/hostname'>x</a><?xml version='1.0'?>",
    "\u202egnp.exe\x1b[31mred\x1b[0mnul\x00byte\tnew\nline\r\U000e0001tag\u200b\u200f",
    "%s%n{0}{x}&File &Quit=1+1{\\rtf1}'\"`;--",
    "W" * 100_000,
    "\n" * 5000,
]


@pytest.mark.slow
@pytest.mark.parametrize("hostile", IN_VIEWS, ids=lambda text: repr(text[:12]))
def test_no_view_interprets_a_hostile_text(start, qtbot, hostile):
    double = poisoned(hostile)
    program = start(double)
    double.announce(events.Notice("alert", "jobs", hostile, hostile, time.time()))
    for spec in PAGES:
        program.window.sidebar.choose(spec.id)
        qtbot.wait(50)
        program.window.grab()
        assert not rich(program.window)
    program.window.open_palette()
    program.window._palette.grab()
    program.window._palette.hide()


_EXAMPLES = itertools.count(1)


@pytest.mark.slow
@given(hostile=st.text(min_size=1, max_size=2000))
@settings(max_examples=300, deadline=None)
def test_no_cell_and_no_fact_carries_control_characters_or_markup(hostile):
    double = poisoned(hostile.encode("utf-8", "replace").decode())
    store = Store()
    tables = [
        (jobcolumns.COLUMNS, map(brief_of, double.jobs_by_id.values())),
        (
            MODEL_COLUMNS,
            [
                ModelCard(
                    hostile,
                    hostile,
                    3,
                    {hostile: "3"},
                    {hostile: hostile},
                    hostile,
                    hostile,
                    None,
                    (hostile, math.nan),
                    {hostile: "3"},
                    hostile,
                )
            ],
        ),
        (version_columns([hostile], of_several=True), [VersionLine(_poisoned_hit(hostile), True, (hostile,))]),
        (
            endpointcolumns.COLUMNS,
            endpointcolumns.rows_of(double.endpoints_by_name, double.models_by_name, lambda _name: NOTHING).values(),
        ),
        (drift_words.REPORT_COLUMNS, double.reports),
        (drift_words.COLUMNS, double.reports[0].columns),
        (retraining._RULE_COLUMNS, double.rules_by_name.values()),
        (retraining._RETRAINING_COLUMNS, double.retrainings_by_id.values()),
    ]
    for columns, records in tables:
        model = RecordModel(columns)
        model.show_records({str(number): record for number, record in enumerate(records)})
        for row in range(model.rowCount()):
            for column in range(model.columnCount()):
                index = model.index(row, column)
                shown = index.data() or ""
                assert len(shown) <= 30 * NAME_LIMIT
                assert not any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in shown)
                assert is_inert(index.data(Qt.ItemDataRole.ToolTipRole) or "")
    job = double.jobs_by_id["j1"]
    assert jobfacts.facts_of(brief_of(job), job, store)
    if (
        next(_EXAMPLES) % 50 == 0
    ):  # what fifty doubles are made of is 70 MB; each collection walks all that pytest holds
        gc.collect()  # nothing else collects it here


def _poisoned_hit(hostile: str) -> VersionHit:
    pairs = {hostile: hostile}
    return VersionHit(
        hostile, hostile, (hostile,), {hostile: math.inf}, pairs, pairs, None, hostile, hostile, hostile, hostile,
        hostile, (hostile,), hostile, 3, hostile,
    )  # fmt: skip


def rich(window: QWidget) -> list[str]:
    """Return what could be interpreted: labels that guess, tips that hold foreign markup."""
    found = [
        label.text()[:40] for label in window.findChildren(QLabel) if label.textFormat() is not Qt.TextFormat.PlainText
    ]
    for widget in window.findChildren(QWidget):
        tip = widget.toolTip()
        if not is_inert(tip):
            found.append(tip[:40])
    return found


def is_inert(tip: str) -> bool:
    """Tell whether a tool tip holds no markup, or only that of the helper's own frame."""
    inside = tip.removeprefix("<p>").removesuffix("</p>").replace("<br>", "") if tip.startswith("<p>") else tip
    return "<" not in inside
