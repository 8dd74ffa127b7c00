"""A picture that the agent has made a PNG of: as large as it is, or as fits; it is decoded off the GUI thread."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from mlops_desk.ui.look import theme
from mlops_desk.ui.look.roles import Role

LARGEST = 2048  # the agent's own limit: more pixels on a side are no answer of it


def decoded(png: bytes) -> QImage | None:
    """Return the picture, None for what is none or is larger than the agent makes one."""
    image = QImage.fromData(png, "PNG")  # type: ignore[arg-type]  # a format's name, as its documentation has it
    if image.isNull() or max(image.width(), image.height()) > LARGEST:
        return None
    return image


class Picture(QWidget):
    """Never larger than the file has pixels for."""

    accessible_role = Role.Graphic

    def __init__(self) -> None:
        super().__init__()
        self._image: QImage | None = None
        self.setMinimumSize(theme.SPACE_24, theme.SPACE_24)

    def show_image(self, image: QImage | None, name: str) -> None:
        self._image = image
        size = "" if image is None else f", {image.width()} by {image.height()} pixels"
        self.setAccessibleName(f"Picture {name}{size}")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme.DETAIL_WIDTH, theme.LIST_WIDTH)

    def paintEvent(self, _event: QPaintEvent) -> None:
        image = self._image
        if image is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        ratio = self.devicePixelRatioF()
        size = image.size().toSizeF() / ratio
        room = self.rect().size().toSizeF()
        if size.width() > room.width() or size.height() > room.height():
            size = size.scaled(room, Qt.AspectRatioMode.KeepAspectRatio)
        area = QRectF(0, 0, size.width(), size.height())
        area.moveCenter(QRectF(self.rect()).center())
        area.moveTop(0)
        painter.drawImage(area, image)
