"""Decodes one picture in a process of its own: ``python -m mlops_desk.kit.window.decoder``. No window is made.

Only formats of pixels are taken, by how they begin: none that names other files, holds a program or is text. The size
is read first, and one that would take more memory than there is for it is not decoded at all.
"""

import base64
from typing import Any

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QSize, Qt
from PySide6.QtGui import QImage, QImageReader

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import limit_memory, serve_one

_MEMORY_BYTES = 1 << 30  # what whoever starts it has itself: Qt's own libraries, and the largest picture twice
_MOST_PIXELS = 64_000_000  # chosen: large cameras; 256 MB as pixels
_PNG_BYTES = 4 << 20  # chosen: what a window takes in without a pause
_FORMATS = {
    b"\x89PNG\r\n\x1a\n": b"png",
    b"\xff\xd8\xff": b"jpeg",
    b"GIF8": b"gif",
    b"BM": b"bmp",
    b"RIFF": b"webp",
}


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Return the picture as PNG, no side longer than asked, with the size that it has. Raises Invalid."""
    limit_memory(_MEMORY_BYTES)
    data = base64.b64decode(request["data"])
    kind = next((kind for magic, kind in _FORMATS.items() if data.startswith(magic)), None)
    if kind is None:
        raise Invalid("This is no picture of a kind that is shown here.")
    image, size = _decoded(data, kind, int(request["longest_side"]))
    png = _png(image)
    while len(png) > _PNG_BYTES:
        image = image.scaled(image.size() / 2, Qt.AspectRatioMode.KeepAspectRatio)
        png = _png(image)
    told = {"width": size.width(), "height": size.height(), "format": kind.decode()}
    return {**told, "png": base64.b64encode(png).decode()}


def _decoded(data: bytes, kind: bytes, longest_side: int) -> tuple[QImage, QSize]:
    buffer = QBuffer()
    buffer.setData(QByteArray(data))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer, QByteArray(kind))
    reader.setAutoTransform(True)
    size = reader.size()
    if not size.isValid():
        raise Invalid(f"The picture can't be read: {reader.errorString()}.", "Is the file complete?")
    if size.width() * size.height() > _MOST_PIXELS:
        raise Invalid(f"The picture has {size.width():,} × {size.height():,} pixels, which is not decoded here.")
    reader.setAllocationLimit(0)  # the pixels were counted above, and this process's memory is limited
    image = reader.read()
    if image.isNull():
        raise Invalid(f"The picture can't be read: {reader.errorString()}.", "Is the file complete?")
    if max(image.width(), image.height()) > longest_side:
        kept, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        image = image.scaled(longest_side, longest_side, kept, smooth)
    return image.convertToFormat(QImage.Format.Format_RGBA8888), size


def _png(image: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]  # PySide's types have the format as bytes
    return bytes(buffer.data().data())


if __name__ == "__main__":
    serve_one(work)
