"""How what a rule watches went in 24 hours, with its threshold, and the strip of what it would have done."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.automation.records.dry_run import RuleDryRun, WouldFire
from mlops_desk.automation.records.equivalence import alike_words
from mlops_desk.automation.window.rules.condition_history import WatchedCurve
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.tables.paint import paint_spark
from mlops_desk.kit.window.words import alerts, numbers

_CENTRE = int(Qt.AlignmentFlag.AlignCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LEAST_WIDTH = 2.0  # pixels: what lasted a minute is seen in a month
_DAY = 86_400.0


class WatchedChart(QWidget):
    """A curve, its limit with the word, and the span below."""

    accessible_role = Role.Chart

    def __init__(self) -> None:
        super().__init__()
        self._curve: WatchedCurve | None = None
        self._instead = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_curve(None, "")

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, theme.CHART_MINIMUM_HEIGHT + theme.SPACE_24)

    def minimumSizeHint(self) -> QSize:
        return QSize(theme.AXIS_WIDTH * 2, self.sizeHint().height())

    def show_curve(self, curve: WatchedCurve | None, instead: str) -> None:
        """Show a curve; where there is none, what is said ``instead``."""
        self._curve, self._instead = curve, instead
        self.setAccessibleName("Chart: what the rule watches")
        self.setAccessibleDescription(self.told())
        self.update()

    def told(self) -> str:
        """Say what is shown, in words."""
        curve = self._curve
        if curve is None:
            return self._instead
        last, limit = (alerts.quantity(value, curve.unit) for value in (curve.last, curve.spark.limit))
        side = "at or above" if curve.above else "at or below"
        return f"{plain(curve.thing)}: last {last}, fires {side} {limit}; {curve.of_each} of each {_step(curve)}"

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        height = float(painter.fontMetrics().height())
        area = QRectF(self.rect())
        painter.setPen(theme.colour("muted"))
        curve = self._curve
        if curve is None:
            painter.drawText(area, _CENTRE | int(Qt.TextFlag.TextWordWrap), self.told())
            return
        head = QRectF(area.left(), area.top(), area.width(), height)
        painter.drawText(head, _LEFT, painter.fontMetrics().elidedText(
            self.told(), Qt.TextElideMode.ElideRight, int(head.width())))  # fmt: skip
        foot = QRectF(area.left(), area.bottom() - height, area.width(), height)
        painter.drawText(foot, _LEFT, numbers.day_and_clock(curve.start))
        painter.drawText(foot, _RIGHT, "now")
        paint_spark(painter, QRectF(area.left(), head.bottom(), area.width(), foot.top() - head.bottom()), curve.spark)


def _step(curve: WatchedCurve) -> str:
    return numbers.duration(curve.step_seconds)


class DryRunStrip(QWidget):
    """A month as a line of days: each firing a stroke in the accent, what was held back one that is hollow.

    The list below it says them in words; the one that is chosen there is lit.
    """

    accessible_role = Role.Chart

    def __init__(self) -> None:
        super().__init__()
        self._run: RuleDryRun | None = None
        self.place: int | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Chart: what it would have done")

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, theme.CHART_MINIMUM_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(theme.AXIS_WIDTH * 2, theme.CHART_MINIMUM_HEIGHT)

    def show_run(self, run: RuleDryRun | None) -> None:
        """Show what a rule would have done."""
        self._run, self.place = run, None
        self.setAccessibleDescription("" if run is None else told(run))
        self.update()

    def mark(self, place: int | None) -> None:
        """Light one of them."""
        self.place = place
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        height = float(painter.fontMetrics().height())
        area = QRectF(self.rect()).adjusted(theme.SPACE_4, theme.SPACE_4, -theme.SPACE_4, -height - theme.SPACE_4)
        run = self._run
        if run is not None and run.until > run.since:
            self._paint_days(painter, area, run, height)
            for number, one in enumerate(run.would):
                self._paint_one(painter, area, run, one, chosen=number == self.place)

    def _paint_days(self, painter: QPainter, area: QRectF, run: RuleDryRun, height: float) -> None:
        painter.setPen(QPen(theme.colour("border"), theme.BORDER))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        days = max(int((run.until - run.since) / _DAY), 1)
        for day in range(days + 1):
            x = area.left() + area.width() * day / days
            painter.drawLine(QPointF(x, area.bottom()), QPointF(x, area.bottom() - theme.SPACE_4))
        painter.setPen(theme.colour("muted"))
        foot = QRectF(area.left(), area.bottom(), area.width(), height + theme.SPACE_4)
        painter.drawText(foot, _LEFT, numbers.day_and_clock(run.since))
        painter.drawText(foot, _RIGHT, numbers.day_and_clock(run.until))

    def _paint_one(self, painter: QPainter, area: QRectF, run: RuleDryRun, one: WouldFire, *, chosen: bool) -> None:
        share = area.width() / (run.until - run.since)
        left = area.left() + (one.at - run.since) * share
        wide = max(one.waited_seconds * share if not one.fired else _LEAST_WIDTH, _LEAST_WIDTH)
        bar = QRectF(left, area.top() + area.height() * (0.0 if one.fired else 0.4), wide, 0.0)
        bar.setBottom(area.bottom())
        tint = theme.colour("accent" if one.fired else "paused")
        painter.setPen(QPen(theme.colour("text") if chosen else tint, theme.RING if chosen else theme.BORDER))
        painter.setBrush(tint if one.fired else Qt.BrushStyle.NoBrush)
        painter.drawRect(bar)


def told(run: RuleDryRun) -> str:
    """Say what a rule would have done, and how much of that is known."""
    held = sum(not one.fired for one in run.would)
    days = numbers.duration(run.until - run.since)
    parts = [f"In {days} it would have fired {numbers.count(run.n_fired, 'time')}"]
    parts += [f"been held back {numbers.count(held, 'time')}"] if held else []
    text = " and ".join(parts) + "."
    if not run.looked_at:
        text += " The history knows nothing of what it watches, so that counts as unknown."
    else:
        known = min(one.known_seconds for one in run.looked_at)
        text += f" Of {numbers.count(len(run.looked_at), 'curve')} at least {numbers.duration(known)} are known."
    if run.untold:
        text += f" Nothing is kept of: {plain(', '.join(run.untold), 300)}."
    if run.alike:
        text += f" {plain(alike_words(run.alike), 300)}"
    return text if run.budget_reckoned else f"{text} Its budget of GPU-hours was left aside."
