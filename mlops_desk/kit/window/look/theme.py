"""How it looks: one table of tokens, the two palettes made from it, fonts and distances.

Nothing else names a colour or a pixel. ``apply`` switches a running application; every widget hears of
it through Qt's own PaletteChange and asks ``colour`` again when it paints.
"""

from dataclasses import dataclass, fields
from functools import lru_cache

from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

SPACE_4, SPACE_8, SPACE_12, SPACE_16, SPACE_24 = 4, 8, 12, 16, 24  # pixels: the steps of every distance
RADIUS = 6  # pixels: corners of cards and fields
BORDER = 1  # pixel
LINE = 1.5  # pixels: a curve
SIDEBAR_WIDTH, SIDEBAR_NARROW_WIDTH, NARROW_BELOW = 168, 52, 1100
"""Pixels: with words, with icons alone, and below which window."""
TITLE_HEIGHT, BOTTOM_HEIGHT, ROW_HEIGHT, SIDEBAR_ROW_HEIGHT, FIELD_HEIGHT = 52, 30, 28, 38, 32
"""Pixels: a line of its text with the distances around it."""
SYMBOL = 18  # pixels: an icon beside the body
WINDOW_SIZE, WINDOW_MINIMUM = (1280, 800), (760, 520)
"""Pixels: a small screen, and what one of 1520 by 1040 has left at 200 %."""
FRAME_WIDTH, FRAME_HEIGHT = 8, 40  # what a desktop puts around a window, until it has told
DIALOG_WIDTH, DIALOG_TALL = 560, 560  # pixels: seventy letters of the body
TILE_HEIGHT, HOST_TILE_HEIGHT, TILE_MINIMUM_WIDTH, HOST_TILE_MINIMUM_WIDTH = 148, 92, 200, 164
"""Pixels: a number, a curve and two lines."""
LIST_WIDTH, DETAIL_WIDTH, COLUMN_MINIMUM = 304, 380, 200
"""Pixels: a name with its state; facts in two columns; a column that is still read."""
CHART_HEIGHT, CHART_MINIMUM_HEIGHT, THIN_CHART_HEIGHT, AXIS_WIDTH = 150, 72, 48, 68
"""Pixels: five lines of a grid; two; a thin one; and its numbers."""
METER_HEIGHT, SEVERITY_WIDTH, SCROLL_WIDTH = 4, 3, 10  # pixels
RING = 2  # whole pixels: half of one would take half of the contrast
READING_WIDTH, STATE_WIDTH = 640, 690  # pixels: eighty letters of the body; a message in the middle of a page
STRIP_HEIGHT, STRIP_BAR_WIDTH, LINES_HEIGHT = 28, 56, 128  # pixels
CORE_WIDTH, CORE_HEIGHT, CORE_GAP, METER_ROW_HEIGHT = 7, 44, 3, 22  # pixels: 128 cores in a row of a 1280-pixel window
FADE_MILLISECONDS = 120  # chosen: long enough to be seen as one movement
INK_SHARE = 0.2  # chosen: with so much of the text's colour a curve's is readable as a word
BODY_POINTS, CAPTION_POINTS, TITLE_POINTS, NUMBER_POINTS = 11, 9, 14, 20
"""Points: body, captions (never smaller), titles, the one number a tile is about."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The colours of one palette, by what they mean."""

    window: str
    surface: str
    raised: str
    border: str
    outline: str
    text: str
    muted: str
    accent: str
    selection: str
    ok: str
    warning: str
    alert: str
    info: str
    paused: str
    unknown: str
    series: tuple[str, ...]


LIGHT = Tokens(
    window="#F5F6F8", surface="#FFFFFF", raised="#FFFFFF", border="#D9DDE3", outline="#808994",
    text="#1B1F24", muted="#57606A", accent="#0B63CE", selection="#D6E6FB", ok="#1A7F37",
    warning="#8A5D00", alert="#C4202B", info="#0B63CE", paused="#7A46D6", unknown="#57606A",
    series=("#0072B2", "#C84E00", "#007F5C", "#B0478A", "#9A6A00", "#2A8FC7", "#6B5BB5", "#5A6470"),
)  # fmt: skip
DARK = Tokens(
    window="#14171B", surface="#1B1F24", raised="#22272E", border="#333A43", outline="#747E8A",
    text="#E6EAF0", muted="#9AA4B1", accent="#6CB2FF", selection="#24405F", ok="#4AC26B",
    warning="#D9AE3C", alert="#FF7B72", info="#6CB2FF", paused="#BC8CFF", unknown="#9AA4B1",
    series=("#4EA5E8", "#FF8C42", "#34C79A", "#E49AC4", "#F2B840", "#9AD3F5", "#B7A6F5", "#B8C0CA"),
)  # fmt: skip

HEAT = (
    "#00204D", "#00336F", "#39486B", "#575C6D", "#707173", "#8A8779", "#A69D75", "#C4B56C", "#E4CF5B", "#FFEA46",
)  # fmt: skip
"""Cividis at ten even places (Nuñez, Anderton, Renslow 2018): one order of lightness for every kind of eye."""

_PLAIN_NAMES = frozenset(field.name for field in fields(Tokens) if field.name != "series")


class _Active:
    """The tokens that hold now; one application has one look."""

    tokens = LIGHT


def is_dark() -> bool:
    return _Active.tokens is DARK


def colour(token: str) -> QColor:
    """Return the colour of a token in the look that holds now; KeyError for an unknown one (a bug)."""
    if token not in _PLAIN_NAMES:
        raise KeyError(token)
    return _parsed(getattr(_Active.tokens, token))


def series(slot: int) -> QColor:
    """Return the colour of a slot; a GPU keeps it everywhere."""
    colours = _Active.tokens.series
    return _parsed(colours[slot % len(colours)])


def series_ink(slot: int) -> QColor:
    """Return the colour of a slot for words: nearer to that of text, so that small letters have contrast enough."""
    colours = _Active.tokens.series
    return _nearer(colours[slot % len(colours)], _Active.tokens.text)


def heat(share: float) -> QColor:
    """Return the colour of a place (0-1) on the scale of heat maps, the same in both looks."""
    place = min(max(share, 0.0), 1.0) * (len(HEAT) - 1)
    low = min(int(place), len(HEAT) - 2)
    return blended(_parsed(HEAT[low]), _parsed(HEAT[low + 1]), place - low)


def on_heat(share: float) -> QColor:
    """Return the ink of a mark on such a ground: the one of both palettes' text that stands out there."""
    return _parsed(DARK.text if share < 0.5 else LIGHT.text)  # half way: cividis is at L* 50 there


def on_selection(ink: QColor) -> QColor:
    """Return a colour for words on a chosen row, whose ground takes away some of their contrast."""
    return _nearer(ink.name(), _Active.tokens.text)


def faded(token_colour: QColor, opacity: float) -> QColor:
    """Return ``token_colour`` at ``opacity`` (0-1), for areas under curves and quiet marks."""
    shade = QColor(token_colour)
    shade.setAlphaF(opacity)
    return shade


def blended(under: QColor, over: QColor, share: float) -> QColor:
    """Return ``under`` with ``share`` (0-1) of ``over`` mixed in, for hover and pressed states."""
    keep = 1.0 - share
    return QColor.fromRgbF(
        under.redF() * keep + over.redF() * share,
        under.greenF() * keep + over.greenF() * share,
        under.blueF() * keep + over.blueF() * share,
    )


def edge(area: QRect | QRectF, line: float = BORDER) -> QRectF:
    """Return where a line lies that is drawn just inside ``area``, on whole pixels: between two it loses contrast."""
    half = line / 2
    return QRectF(area).adjusted(half, half, -half, -half)


@lru_cache(maxsize=64)
def _parsed(text: str) -> QColor:
    return QColor(text)


@lru_cache(maxsize=64)
def _nearer(text: str, to: str) -> QColor:
    return _parsed(to) if text.upper() == to.upper() else blended(_parsed(text), _parsed(to), INK_SHARE)


def apply(application: QApplication, *, dark: bool) -> None:
    """Give the application one of the two looks; may be called at any time."""
    _Active.tokens = DARK if dark else LIGHT
    application.setPalette(_palette(_Active.tokens))


def prepare(application: QApplication) -> None:
    """Set style and body font, once, before the first window."""
    application.setStyle("Fusion")
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    font.setPointSize(BODY_POINTS)
    application.setFont(_tabular(font))


def font(points: int = BODY_POINTS, *, bold: bool = False) -> QFont:
    """Return the application's font in one of the four sizes, with digits of equal width."""
    chosen = QFont(QApplication.font())
    chosen.setPointSize(points)
    if bold:
        chosen.setWeight(QFont.Weight.DemiBold)
    return _tabular(chosen)


def fixed_font() -> QFont:
    """Return the font for logs, commands and identifiers."""
    chosen = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    chosen.setPointSize(CAPTION_POINTS + 1)
    return chosen


def _tabular(chosen: QFont) -> QFont:
    chosen.setFeature(QFont.Tag("tnum"), 1)
    return chosen


def _palette(tokens: Tokens) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    named = {
        role.Window: tokens.window, role.WindowText: tokens.text, role.Base: tokens.surface,
        role.AlternateBase: tokens.window, role.Text: tokens.text, role.Button: tokens.raised,
        role.ButtonText: tokens.text, role.BrightText: tokens.alert, role.Highlight: tokens.selection,
        role.HighlightedText: tokens.text, role.Link: tokens.accent, role.LinkVisited: tokens.accent,
        role.PlaceholderText: tokens.muted, role.ToolTipBase: tokens.raised, role.ToolTipText: tokens.text,
        role.Light: tokens.raised, role.Midlight: tokens.border, role.Mid: tokens.border,
        role.Dark: tokens.border, role.Shadow: tokens.border, role.Accent: tokens.accent,
    }  # fmt: skip
    for place, text in named.items():
        palette.setColor(place, QColor(text))
    for place in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        palette.setColor(QPalette.ColorGroup.Disabled, place, faded(QColor(tokens.muted), 0.75))
    return palette
