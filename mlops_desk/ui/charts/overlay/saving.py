"""The curves of a plot to take along: as a picture with its title, or as the values that are drawn."""

import math
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QGuiApplication, QPainter, QPixmap
from PySide6.QtWidgets import QWidget

from mlops_desk.base.text import plain
from mlops_desk.ui.charts import export as files
from mlops_desk.ui.charts.overlay.grid import POWERS
from mlops_desk.ui.charts.overlay.preparing import Prepared
from mlops_desk.ui.charts.overlay.smoothing import Array
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.tables import export

Shown = Callable[[], Prepared | None]


def acts(context: Context, plot: QWidget, shown: Shown) -> list[tuple[str, Callable[[], None]]]:
    """Return what can be done with the curves that are shown, by title."""

    def with_shown(do: Callable[[Prepared], None]) -> Callable[[], None]:
        def act() -> None:
            prepared = shown()
            if prepared is not None and prepared.lines:
                do(prepared)
            else:
                context.say("info", "There are no curves to take along.")

        return act

    return [
        ("Copy image", with_shown(lambda now: _copy_image(context, plot, now))),
        ("Save image …", with_shown(lambda now: _save_image(context, plot, now))),
        ("Copy values", with_shown(lambda now: _copy_values(context, now))),
        ("Save CSV …", with_shown(lambda now: _save_values(context, plot, now))),
    ]


def title_of(prepared: Prepared) -> str:
    """Return what is drawn, in words."""
    return f"{plain(prepared.wish.metric, 80)} over {plain(prepared.axes.x, 80).lower()}"


def picture(plot: QWidget, prepared: Prepared) -> QPixmap:
    """Return the plot as it is seen, with its legend, and above it what and of when it is."""
    ratio = plot.devicePixelRatioF()
    made = QPixmap(round(plot.width() * ratio), round((plot.height() + theme.TITLE_HEIGHT) * ratio))
    made.setDevicePixelRatio(ratio)
    made.fill(theme.colour("surface"))
    painter = QPainter(made)
    area = QRectF(theme.SPACE_12, 0, plot.width() - 2 * theme.SPACE_12, theme.TITLE_HEIGHT / 2)
    for text, font, token in (
        (title_of(prepared), theme.font(bold=True), "text"),
        (time.strftime("%Y-%m-%d %H:%M:%S %z"), theme.font(theme.CAPTION_POINTS), "muted"),
    ):
        painter.setFont(font)
        painter.setPen(theme.colour(token))
        painter.drawText(area, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), text)
        area.translate(0, theme.TITLE_HEIGHT / 2)
    painter.drawPixmap(0, theme.TITLE_HEIGHT, plot.grab())
    painter.end()
    return made


def table(prepared: Prepared) -> list[list[str]]:
    """Return one row for each point that is drawn; what the axes show as powers is told as the number itself."""
    has_raw = any(line.raw is not None for line in prepared.lines)
    has_band = any(line.low is not None for line in prepared.lines)
    metric = prepared.wish.metric
    head = ["curve", "key", prepared.axes.x, *([f"{metric} as logged"] if has_raw else []), metric]
    rows = [[*head, *(["low", "high"] if has_band else [])]]
    for line in prepared.lines:
        xs = _numbers(line.xs, powers=prepared.axes.x_kind == POWERS)
        columns = [_numbers(line.raw, powers=prepared.axes.y_kind == POWERS, count=len(xs))] if has_raw else []
        columns.append(_numbers(line.ys, powers=prepared.axes.y_kind == POWERS))
        if has_band:
            columns += [
                _numbers(edge, powers=prepared.axes.y_kind == POWERS, count=len(xs)) for edge in (line.low, line.high)
            ]
        of = [line.subject.title, line.subject.key]
        rows += [[*of, *cells] for cells in zip(xs, *columns, strict=True)]
    return rows


def _numbers(values: Array | None, *, powers: bool, count: int = 0) -> list[str]:
    if values is None:
        return [""] * count
    return ["" if math.isnan(value) else repr(10.0**value if powers else value) for value in values.tolist()]


def file_name(prepared: Prepared, ending: str) -> str:
    """Return a name that tells the metric and the time."""
    words = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in prepared.wish.metric[:60])
    return f"curves-{words.strip('-') or 'metric'}-{time.strftime('%Y%m%d-%H%M%S')}.{ending}"


def _copy_image(context: Context, plot: QWidget, prepared: Prepared) -> None:
    QGuiApplication.clipboard().setPixmap(picture(plot, prepared))
    context.say("info", "The picture of the curves is in the clipboard.")


def _copy_values(context: Context, prepared: Prepared) -> None:
    QGuiApplication.clipboard().setText(export.as_text(table(prepared)))
    context.say("info", "The values of the curves are in the clipboard.")


def _save_image(context: Context, plot: QWidget, prepared: Prepared) -> None:
    image = picture(plot, prepared).toImage()

    def save(path: Path) -> None:
        files.write(context, path, lambda: files.write_image(image, path))

    files.ask(plot, "Save image", file_name(prepared, "png"), save)


def _save_values(context: Context, plot: QWidget, prepared: Prepared) -> None:
    def save(path: Path) -> None:
        files.write(context, path, lambda: files.write_table(table(prepared), path))

    files.ask(plot, "Save values", file_name(prepared, "csv"), save)
