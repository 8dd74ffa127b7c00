"""A lineage as a file: the picture as it is seen, or the events of OpenLineage that catalogues of data read."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.parts.lineage.graph import LineageGraph

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_desk.kit.verbs.desk import ClientLike
    from mlops_desk.registry.records.lineage import OpenLineage

PICTURE, EVENTS = ".png", ".ndjson"
_NAME_LIMIT = 80  # chosen: a file's name that is still read


def save(
    page: QWidget, context: Context, graph: LineageGraph, name: str, version: str | None, uri: str | None
) -> QFileDialog:
    """Ask where to; the ending says what is written. Without ``version`` the name has it."""
    of = name if version is None else f"{name} {version}"
    wished = str(Path.home() / f"{_plain(f'{of}-lineage')}{PICTURE}")
    filters = f"Picture (*{PICTURE});;Events of OpenLineage (*{EVENTS})"
    chooser = QFileDialog(page, f"Save the lineage of {of}", wished, filters)
    chooser.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    chooser.setDefaultSuffix(PICTURE)
    chooser.filterSelected.connect(lambda chosen: chooser.setDefaultSuffix(EVENTS if EVENTS in chosen else PICTURE))
    chooser.selectFile(wished)

    def chosen(path: str) -> None:
        context.ask("save lineage", writer(graph, path, name, version, uri), lambda _none: said())

    def said() -> None:
        context.say("info", f"The lineage of {of} is saved.")

    chooser.fileSelected.connect(chosen)
    chooser.open()
    return chooser


def writer(
    graph: LineageGraph, path: str, name: str, version: str | None, uri: str | None
) -> "Callable[[ClientLike], None]":
    """Return what writes the file, away from the window's thread; it raises Unavailable. The picture is taken here."""
    if path.endswith(EVENTS):
        return lambda desk: _write_events(path, desk.models.open_lineage(name, version, uri=uri))
    picture = graph.picture()
    return lambda _desk: _write_picture(path, picture)


def _write_picture(path: str, picture: QImage) -> None:
    held = QBuffer()
    picture.save(held, "PNG")  # type: ignore[call-overload]  # the stubs know no device; Qt does
    _write(path, bytes(held.data().data()))


def _write_events(path: str, lineage: "OpenLineage") -> None:
    lines = "".join(f"{json.dumps(event, separators=(',', ':'))}\n" for event in lineage.events)
    _write(path, lines.encode())


def _write(path: str, data: bytes) -> None:
    try:
        write_atomically(Path(path), data, 0o644)
    except OSError as error:
        text = f"The lineage can't be written to {path}: {error.strerror}."
        raise Unavailable(text, "Choose a folder that you may write in.") from error


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name)[:_NAME_LIMIT].strip("-.") or "lineage"
