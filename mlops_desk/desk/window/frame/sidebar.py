"""The list of pages at the left: symbol, title, and a badge that says what waits there."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QButtonGroup, QMenu, QSizePolicy, QVBoxLayout, QWidget

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.feature import PageSpec
from mlops_desk.kit.window.look import symbols, theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import set_tip
from mlops_desk.kit.window.widgets.button import PaintedButton
from mlops_desk.kit.window.words.numbers import Mark


class SidebarButton(PaintedButton):
    """One line of the sidebar."""

    accessible_role = Role.PageTab

    def __init__(self, title: str, drawing: str, short: str | None = None) -> None:
        super().__init__()
        self._title = plain(title)
        self._short = short
        self._drawing = drawing
        self._badge: Mark | None = None
        self._narrow = False
        self.setFixedHeight(theme.SIDEBAR_ROW_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        # A click goes to a page, and the page takes the focus; by Tab the list can be walked through.
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.set_badge(None)

    def set_badge(self, badge: Mark | None) -> None:
        """Show a short word (a count) or a shape at the right; None for nothing."""
        self._badge = badge
        self.setAccessibleName(f"{self._title}, {badge.word}" if badge else self._title)
        self._tell()
        self.update()

    def set_title(self, title: str) -> None:
        self._title = plain(title)
        self.setAccessibleName(self._title)
        self.update()

    def set_narrow(self, *, narrow: bool) -> None:
        self._narrow = narrow
        self._tell()
        self.update()

    def _tell(self) -> None:
        words = f"{self._title}: {self._badge.word}" if self._badge else self._title
        set_tip(self, words if self._narrow or self._badge else "")

    def sizeHint(self) -> QSize:
        return QSize(theme.SIDEBAR_WIDTH, theme.SIDEBAR_ROW_HEIGHT)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect()).adjusted(theme.SPACE_8, 1, -theme.SPACE_8, -1)
        self._paint_ground(painter, area)
        ink = theme.colour("text" if self.isChecked() or self.underMouse() else "muted")
        if self.isChecked():
            ink = theme.colour("accent")
        left = self.width() // 2 - theme.SYMBOL // 2 if self._narrow else int(area.left()) + theme.SPACE_8
        picture = symbols.pixmap(self._drawing, ink, theme.SYMBOL, self.devicePixelRatioF())
        painter.drawPixmap(left, (self.height() - theme.SYMBOL) // 2, picture)
        if not self._narrow:
            self._paint_words(painter, area)
        elif self._badge:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour(self._badge.token))
            painter.drawEllipse(QRectF(area.right() - theme.SPACE_8, area.top() + theme.SPACE_4, 6, 6))

    def _paint_ground(self, painter: QPainter, area: QRectF) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        if self.isChecked():
            painter.setBrush(theme.colour("selection"))
            painter.drawRoundedRect(area, theme.RADIUS, theme.RADIUS)
        elif self.underMouse():
            painter.setBrush(theme.faded(theme.colour("text"), 0.06))
            painter.drawRoundedRect(area, theme.RADIUS, theme.RADIUS)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.colour("accent"), theme.LINE))
            painter.drawRoundedRect(area, theme.RADIUS, theme.RADIUS)

    def _paint_words(self, painter: QPainter, area: QRectF) -> None:
        badge_width = 0.0
        if self._badge:
            painter.setFont(theme.font(theme.CAPTION_POINTS, bold=True))
            badge_width = painter.fontMetrics().horizontalAdvance(self._badge.shape) + theme.SPACE_8
            ink = theme.colour(self._badge.token)
            painter.setPen(theme.on_selection(ink) if self.isChecked() else ink)
            painter.drawText(area.adjusted(0, 0, -theme.SPACE_8, 0), _RIGHT, self._badge.shape)
        painter.setFont(theme.font(bold=self.isChecked()))
        painter.setPen(theme.colour("text"))
        place = area.adjusted(theme.SPACE_16 + theme.SYMBOL, 0, -max(badge_width, theme.SPACE_8), 0)
        if painter.fontMetrics().horizontalAdvance(self._short or self._title) > place.width():
            painter.setFont(theme.font())
        words = painter.fontMetrics().elidedText(
            self._short or self._title, Qt.TextElideMode.ElideRight, int(place.width())
        )
        painter.drawText(place, _LEFT, words)


_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


class Sidebar(QWidget):
    """All pages, the last of them set apart at the bottom, and the machine's menu."""

    accessible_role = Role.PageTabList

    chosen = Signal(str)

    def __init__(self, specs: tuple[PageSpec, ...], fill_menu: Callable[[QMenu], None]) -> None:
        super().__init__()
        self._buttons: dict[str, SidebarButton] = {}
        self._fill_menu = fill_menu
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self.machine = SidebarButton("This machine", symbols.PATHS["menu"])
        self.machine.accessible_role = Role.ButtonMenu
        column = QVBoxLayout(self)
        column.setContentsMargins(0, theme.SPACE_12, 0, theme.SPACE_8)
        column.setSpacing(2)
        for number, spec in enumerate(specs):
            if number == len(specs) - 1:
                column.addStretch()
            column.addWidget(self._button(spec))
        self.machine.clicked.connect(self._open_menu)
        column.addWidget(self.machine)
        self.setAccessibleName("Pages")
        self.set_narrow(narrow=False)

    def _button(self, spec: PageSpec) -> SidebarButton:
        button = SidebarButton(spec.title, spec.drawing, spec.short)
        button.setCheckable(True)
        button.setProperty("page", spec.id)
        self._group.addButton(button)
        self._buttons[spec.id] = button
        button.toggled.connect(self._toggled)
        return button

    def _toggled(self, checked: bool) -> None:
        button = self._group.checkedButton()
        if checked and button is not None:
            self.chosen.emit(button.property("page"))

    def choose(self, page: str) -> None:
        self._buttons[page].setChecked(True)

    def set_badge(self, page: str, badge: Mark | None) -> None:
        self._buttons[page].set_badge(badge)

    def set_narrow(self, *, narrow: bool) -> None:
        """Show symbols only, or symbols with words."""
        self.setFixedWidth(theme.SIDEBAR_NARROW_WIDTH if narrow else theme.SIDEBAR_WIDTH)
        for button in (*self._buttons.values(), self.machine):
            button.set_narrow(narrow=narrow)

    def _open_menu(self) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._fill_menu(menu)
        corner = self.machine.mapToGlobal(QPoint(theme.SPACE_8, 0))
        menu.popup(corner - QPoint(0, menu.sizeHint().height()))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour("surface"))
        painter.setPen(QPen(theme.colour("border"), theme.BORDER))
        painter.drawLine(self.width() - 1, 0, self.width() - 1, self.height())
