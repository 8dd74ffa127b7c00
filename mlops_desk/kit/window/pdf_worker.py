"""A worker that lays a page out on paper: ``{"title": TEXT, "html": DOCUMENT}`` becomes ``{"pdf": BASE64}``.

Qt reads the page as text: it runs nothing in it, and what it names elsewhere is not fetched. Without a screen.
"""

import base64
import os
from typing import Any

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.process import serve_one

_MARGIN_MM = 18.0  # chosen: as letters have it
_DPI = 150  # chosen: text is drawn as shapes of the font, whatever this is; it decides how large a point is laid out
_POINT = 10.0  # chosen: as books are set


def work(request: dict[str, Any]) -> Any:
    """Lay out. Raises Unavailable where Qt is not there, or has no font."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    try:
        return {"pdf": base64.b64encode(_made(str(request["title"]), str(request["html"]))).decode()}
    except ImportError as error:
        raise Unavailable(f"Qt can't be loaded: {error}.") from error


def _made(title: str, html: str) -> bytes:
    from PySide6.QtCore import QBuffer, QIODevice, QMarginsF, QUrl  # noqa: PLC0415 - see work
    from PySide6.QtGui import (  # noqa: PLC0415 - likewise
        QFont,
        QFontDatabase,
        QGuiApplication,
        QPageLayout,
        QPageSize,
        QPdfWriter,
        QTextDocument,
    )

    class Page(QTextDocument):
        """A document that fetches nothing: what a page names elsewhere stays there."""

        def loadResource(self, _kind: int, _name: QUrl | str) -> None:
            return None

    application = QGuiApplication.instance() or QGuiApplication(["paper"])
    if not QFontDatabase.families():
        raise Unavailable("Qt finds no font.", "Install one, such as the package fonts-dejavu-core.")
    held = QBuffer()
    held.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(held)
    writer.setTitle(title)
    writer.setCreator("MLOps Desk")
    writer.setResolution(_DPI)
    writer.setPageLayout(
        QPageLayout(
            QPageSize(QPageSize.PageSizeId.A4), QPageLayout.Orientation.Portrait,
            QMarginsF(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM, _MARGIN_MM), QPageLayout.Unit.Millimeter,
        )
    )  # fmt: skip
    page = Page()
    font = QFont()
    font.setPointSizeF(_POINT)
    page.setDefaultFont(font)
    page.setHtml(html)
    page.print_(writer)
    del writer, application
    return bytes(held.data().data())


if __name__ == "__main__":
    serve_one(work)
