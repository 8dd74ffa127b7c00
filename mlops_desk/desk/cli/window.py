"""Opening the window: Qt first, and what speaks to the agent only after the first paint, in a thread."""

import argparse
import gc
import os
from typing import TYPE_CHECKING

from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.cli.screen import check_screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_desk.kit.verbs.desk import ClientLike


def open_window(address: AgentAddress, given: argparse.Namespace) -> int:
    """Show the window until it is closed; returns the exit code. Raises Unavailable without a screen."""
    check_screen(os.environ)
    gc.disable()  # the window collects by itself (desk/window/app.py), and what is loaded until then is no garbage
    from mlops_desk.desk.window.app import run  # noqa: PLC0415 - Qt only for the window
    from mlops_desk.kit.window.live.context import UiOptions  # noqa: PLC0415 - likewise

    def connect(given_up: "Callable[[], bool]") -> "ClientLike":
        from mlops_desk.kit.api.start import start_where_none_is  # noqa: PLC0415 - after the first paint

        started = start_where_none_is(address, demo=given.demo)
        from mlops_desk.kit.api import client  # noqa: PLC0415 - a tenth of a second, while the agent comes up

        return client.connect(address, demo=given.demo, started=started, given_up=given_up)

    return run(connect, UiOptions(address, given.demo, given.tray, getattr(given, "destination", "")))
