"""What charts show, to take along: as a picture or as values, to the clipboard or into a file.

Values are those on the screen, in the unit that their title tells, with names made harmless for
spreadsheets. Files are written in a worker thread.
"""

import math
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QFileDialog, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.chart import Chart
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.tables import view
from mlops_desk.kit.window.words import numbers

Row = tuple[float, float, float, float]


def acts(context: Context, stack: QWidget) -> list[tuple[str, Callable[[], None]]]:
    """Return what can be done, by title."""
    return [
        ("Copy image", lambda: _copy_image(context, stack)),
        ("Save image …", lambda: _save_image(context, stack)),
        ("Copy values", lambda: _copy_values(context, stack)),
        ("Save CSV …", lambda: _save_values(context, stack)),
    ]


def picture(context: Context, stack: QWidget) -> QPixmap:
    """Return the charts as they are seen, and above them of what and of when they are; without what one presses."""
    charts = _charts(stack)
    strip: QWidget | None = getattr(stack, "strip", None)
    shown: list[QWidget] = [*([strip] if strip is not None else []), *charts]
    ratio = stack.devicePixelRatioF()
    width = max((one.width() for one in shown), default=1)
    height = theme.TITLE_HEIGHT + sum(one.height() + theme.SPACE_4 for one in shown)
    made = QPixmap(round(width * ratio), round(height * ratio))
    made.setDevicePixelRatio(ratio)
    made.fill(theme.colour("surface"))
    painter = QPainter(made)
    area = QRectF(theme.SPACE_12, 0, width - 2 * theme.SPACE_12, theme.TITLE_HEIGHT / 2)
    for text, font, token in (
        (subject(context, stack), theme.font(bold=True), "text"),
        (span_of(charts), theme.font(theme.CAPTION_POINTS), "muted"),
    ):
        painter.setFont(font)
        painter.setPen(theme.colour(token))
        painter.drawText(area, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), text)
        area.translate(0, theme.TITLE_HEIGHT / 2)
    top = theme.TITLE_HEIGHT
    for one in shown:
        painter.drawPixmap(0, top, one.grab())
        top += one.height() + theme.SPACE_4
    painter.end()
    return made


def subject(context: Context, stack: QWidget) -> str:
    """Return of what the charts are: the device, and the machine that it is in."""
    named: str = stack.subject or stack.accessibleName()  # type: ignore[attr-defined]  # every stack has one
    status = context.store.status
    return plain(f"{named} · {status.host.name}" if status is not None else named, 160)


def span_of(charts: Sequence[Chart]) -> str:
    """Return of when the charts are."""
    if not charts:
        return ""
    span = charts[0].span
    return f"{numbers.absolute(span.start)} to {numbers.absolute(span.end)}"


def file_name(context: Context, stack: QWidget, ending: str) -> str:
    """Return a name that tells of what and of when: device, machine, and the end of the span."""
    words = re.sub(r"[^a-z0-9]+", "-", subject(context, stack).lower()).strip("-")
    charts = _charts(stack)
    at = time.localtime(charts[0].span.end if charts else None)
    return f"{words or 'charts'}-{time.strftime('%Y%m%d-%H%M%S', at)}.{ending}"


def _charts(stack: QWidget) -> Sequence[Chart]:
    charts: Sequence[Chart] = stack.charts  # type: ignore[attr-defined]  # a stack, whose class imports this module
    return charts


def _copy_image(context: Context, stack: QWidget) -> None:
    QGuiApplication.clipboard().setPixmap(picture(context, stack))
    context.say("info", "The picture of the charts is in the clipboard.")


def _copy_values(context: Context, stack: QWidget) -> None:
    QGuiApplication.clipboard().setText(view.as_text(table(curves_of(_charts(stack)))))
    context.say("info", "The values of the charts are in the clipboard.")


def _save_image(context: Context, stack: QWidget) -> None:
    image = picture(context, stack).toImage()
    name = file_name(context, stack, "png")
    ask(stack, "Save image", name, lambda path: write(context, path, lambda: write_image(image, path)))


def _save_values(context: Context, stack: QWidget) -> None:
    held = curves_of(_charts(stack))
    ask(
        stack,
        "Save values",
        file_name(context, stack, "csv"),
        lambda path: write(context, path, lambda: write_values(held, path)),
    )


def ask(parent: QWidget, title: str, name: str, then: Callable[[Path], None]) -> None:
    """Ask where to save, without stopping the window; ``then`` gets the path."""
    ending = name.rpartition(".")[2]
    dialog = QFileDialog(parent.window(), title)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(ending)
    dialog.setNameFilter(f"{ending.upper()} (*.{ending})")
    dialog.selectFile(name)
    dialog.fileSelected.connect(lambda path: then(Path(path)))
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()


def write(context: Context, path: Path, write: Callable[[], None]) -> None:
    context.tasks().run(
        "save charts", write, lambda _done: context.say("info", f"Saved {plain(str(path), 200)}."), context.complain
    )


def write_image(image: QImage, path: Path) -> None:
    """Write a PNG; DeskError when the disk refuses it."""
    if not image.save(str(path)):
        raise DeskError(f"The picture could not be written to {path}.", "Choose a folder that you may write to.")


def write_values(curves: "list[tuple[str, Span, list[Row]]]", path: Path) -> None:
    """Write a CSV file; DeskError when the disk refuses it."""
    write_table(table(curves), path)


def write_table(rows: Sequence[Sequence[str]], path: Path) -> None:
    """Write rows of text as a CSV file; DeskError when the disk refuses it."""
    try:
        path.write_text(view.as_csv(rows), encoding="utf-8", newline="")
    except OSError as error:
        raise DeskError(
            f"The values could not be written to {path}: {error.strerror}.", "Choose a folder that you may write to."
        ) from error


def curves_of(charts: Sequence[Chart]) -> list[tuple[str, Span, list[Row]]]:
    """Return a copy of every shown curve: its title, its span, its rows (time, min, mean, max)."""
    found = []
    for chart in charts:
        for one in chart.drawn:
            unit = numbers.UNITS.get(chart.unit)
            title = plain(f"{chart.title}: {one.name}" if one.name else chart.title, 120)
            title += f" ({unit.bare})" if unit else ""
            found.append((title, chart.span, list(one.track.rows(chart.span.start, chart.span.end))))
    return found


def table(curves: Sequence[tuple[str, Span, list[Row]]]) -> list[list[str]]:
    """Return titles and one row for each time that any curve has; a gap is an empty cell."""
    banded = [any(low < high for _, low, _, high in rows) for _, _, rows in curves]
    titles = ["time"]
    for (title, _, _), wide in zip(curves, banded, strict=True):
        titles += [f"{title} min", f"{title} mean", f"{title} max"] if wide else [title]
    by_time: dict[float, list[str]] = {}
    column = 1
    for (_, _, rows), wide in zip(curves, banded, strict=True):
        for at, low, mean, high in rows:
            cells = by_time.setdefault(at, [_moment(at), *[""] * (len(titles) - 1)])
            values = (low, mean, high) if wide else (mean,)
            cells[column : column + len(values)] = [_number(value) for value in values]
        column += 3 if wide else 1
    return [[view.inert(title) for title in titles], *(by_time[at] for at in sorted(by_time))]


def _moment(at: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at))
    return f"{whole}.{round(at % 1 * 1000) % 1000:03d}{time.strftime('%z', time.localtime(at))}"


def _number(value: float) -> str:
    # Seven digits: what a sample holds. More would be noise of the way it is kept (2.61900006e+09 for 2.619e+09).
    return "" if math.isnan(value) else f"{value:.7g}"
