"""Where Tab goes next on a page whose parts are made late: by the order of its regions, not by when each was made.

Qt has one ring of all widgets of a window, and what is made later stands at its end: behind the title row, which no eye
finds. A page that names its regions (``Page.walk``) is walked through in their order, between what stands before and
behind it; within a region the order is Qt's.
"""

from collections.abc import Iterable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget


def after(focus: QWidget | None, regions: Sequence[QWidget], title_row: QWidget, *, forward: bool) -> QWidget | None:
    """Return where Tab goes from ``focus``, or back; None where it is in none of the regions of a window.

    The ``title_row`` is one of the regions: what a page puts there comes and goes, so it is walked from left to right.
    """
    if focus is None:
        return None
    # Qt asks where to go from what was disabled or hidden this moment, too.
    ring = [one for one in _all(focus.window()) if one is focus or _takes_tab(one)]
    found: dict[QWidget, None] = {}
    for region in regions:
        stops = [one for one in ring if one is region or region.isAncestorOf(one)]
        if region is title_row:
            stops.sort(key=lambda one: one.mapTo(title_row, one.rect().topLeft()).x())
        found.update(dict.fromkeys(stops))
    order = list(found)
    if focus not in found:
        return None
    inside = [one for one in order if one is not focus and focus.isAncestorOf(one)]  # to Qt, a widget is its own
    if inside and any(region is not focus and focus.isAncestorOf(region) for region in regions):
        # A page as a whole, which has the focus when one has come to it: what stands in it comes next.
        order.remove(focus)
        order.insert(order.index(inside[0]), focus)
    return order[(order.index(focus) + (1 if forward else -1)) % len(order)]


def _all(window: QWidget) -> Iterable[QWidget]:
    """Yield the ring of a window, as Qt has it."""
    one = window.nextInFocusChain()
    while one is not None and one is not window:
        yield one
        one = one.nextInFocusChain()


def _takes_tab(widget: QWidget) -> bool:
    takes = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    return bool(takes) and widget.isEnabled() and widget.isVisible() and widget.focusProxy() is None
