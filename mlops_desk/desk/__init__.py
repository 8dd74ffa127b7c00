"""The agent's Desk: builds and wires the services, and holds them; it has no verbs of its own.

``house`` builds, ``machine_wiring`` and ``model_wiring`` are where features meet, ``lifecycle`` starts and stops,
``demo`` is the same with the shipped doubles; ``agent``, ``settings`` and ``doctor`` are the verbs about the program
itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_desk.desk.desk import Desk
    from mlops_desk.kit.base.disk.paths import DataFolder
    from mlops_desk.kit.base.loop import Loop


def open_desk(folder: DataFolder, loop: Loop, *, demo: bool) -> Desk:
    """Return the Desk of ``folder``; for the demo the one with the shipped doubles."""
    if demo:
        from mlops_desk.desk.demo.demo_desk import DemoDesk  # noqa: PLC0415 - doubles and numpy only when played

        return DemoDesk(folder, loop)
    from mlops_desk.desk.desk import Desk  # noqa: PLC0415 - the workers below import this package too, 2 s for the house

    return Desk(folder, loop)
