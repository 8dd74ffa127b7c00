"""Settings of the network are judged by what they mean before they are kept: addresses, certificates, folders."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mlops_desk.kit.base import network
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SETTINGS
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.image import wheelhouse
from mlops_desk.serving.network import network_listener

_DEADLINE_SECONDS = 5.0  # chosen: a healthy share has answered long before
_PYTHONS = ("cp312", f"cp{sys.version_info.major}{sys.version_info.minor}")
"""Of the usual base image of endpoints, and this machine's own."""
_TITLES = {setting.key: setting.title for setting in SETTINGS}


def judge_in_time(loop: Loop, private: Path) -> Callable[[str, str], None]:
    """Return ``judge`` with a deadline: what is named may lie on a share that does not answer."""
    return lambda key, value: loop.call("judging a setting", partial(judge, key, value, private), _DEADLINE_SECONDS)


def judge(key: str, value: str, private: Path | None = None) -> None:
    """Raise Invalid for a value that can't be what is meant.

    Judged are the group ``network``, where wheels lie and where the gateway listens.
    ``private`` is the agent's data folder, which no job gets to see. Reads the files that are named, so it wants a
    deadline.
    """
    if value and key == "serving.wheelhouse":
        wheelhouse.check(Path(value).expanduser(), _PYTHONS)
    if key == network_listener.SETTING:
        network_listener.parse(value)
    if not value or not key.startswith("network."):
        return
    title = _TITLES.get(key, key)
    if key in {"network.http_proxy", "network.https_proxy"}:
        network.check_proxy(title, value, "network.proxy_login")
    elif key in {"network.package_index", "network.extra_indexes"}:
        for address in network.entries(value):
            network.check_index(title, address, "network.index_login")
    elif key in {"network.no_proxy", "network.registries"}:
        network.check_direct(title, value)
    elif key == "network.ca_bundle":
        network.check_holds(value, network.read_bundle(value))
    elif key == "network.wheels":
        check_wheelhouse(value, private)


def check_wheelhouse(value: str, private: Path | None = None) -> None:
    """Raise Invalid for what is no folder to look into, or one with the agent's own data, as all jobs get it."""
    folder = Path(value).expanduser()
    if not folder.is_absolute() or not folder.is_dir():
        raise Invalid(f"There is no folder {plain(str(folder))}.", "Name a folder of wheels by its whole path.")
    real, own = folder.resolve(), None if private is None else private.resolve()
    if own is not None and (own.is_relative_to(real) or real.is_relative_to(own)):
        text = f"The folder {plain(str(folder))} holds the agent's own data, with secrets, and every job would see it."
        raise Invalid(text, "Name a folder that holds wheels alone.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise Invalid(f"The folder {plain(str(folder))} can't be looked into.", "Its wheels must be readable for all.")


def holds_login(key: str, value: str) -> bool:
    """Tell whether a value that is refused may hold a login, which must then not be in the audit trail either."""
    return key.startswith("network.") and "@" in value
