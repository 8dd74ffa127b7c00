"""The window as an assistive tool walks through it: a role, a name and whether it can have the focus, for each thing."""

from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtGui import QAccessible, QAccessibleInterface
from PySide6.QtWidgets import QWidget

CELLS_SHOWN = 3


@dataclass(frozen=True)
class Seen:
    """One thing of the tree. ``hidden``: it, or what it lies in, is not seen."""

    depth: int
    role: QAccessible.Role
    name: str
    focusable: bool
    focused: bool
    chosen: bool
    hidden: bool
    widget: QWidget | None
    inside: str

    def __str__(self) -> str:
        words = [
            self.role.name,
            repr(self.name) if self.name else "",
            "focusable" if self.focusable else "",
            "focused" if self.focused else "",
            "chosen" if self.chosen else "",
            "HIDDEN" if self.hidden else "",
        ]
        return "  " * self.depth + " ".join(filter(None, words))


def walk(root: QWidget) -> list[Seen]:
    """Return everything that a tool finds in ``root``, in its order."""
    return list(_walk(QAccessible.queryAccessibleInterface(root), 0, hidden=False, inside=""))


def _walk(one: QAccessibleInterface, depth: int, *, hidden: bool, inside: str) -> Iterator[Seen]:
    held = one.object()
    widget = held if isinstance(held, QWidget) else None
    hidden = hidden or (widget is not None and not widget.isVisible())
    state = one.state()
    yield Seen(
        depth,
        one.role(),
        one.text(QAccessible.Text.Name),
        bool(state.focusable),
        bool(state.focused),
        bool(state.selected),
        hidden,
        widget,
        inside,
    )
    inside = f"{inside}/{type(held).__name__}" if held is not None else inside
    for number in range(one.childCount()):
        child = one.child(number)
        if child is not None:
            yield from _walk(child, depth + 1, hidden=hidden, inside=inside)
