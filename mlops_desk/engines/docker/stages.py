"""What an image build leaves behind: the classic builder keeps the last layer of each stage, without a name.

With wheels in it that is a gigabyte a build, so a stage whose first instruction gives it the build's
labels is cleared away when the build ends, well or not.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

_log = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 30.0  # chosen: between two messages of a build or pull, not for all of it


@contextlib.contextmanager
def clearing_stages(client: Any, labels: Mapping[str, str]) -> Iterator[None]:
    """Remove nameless images that carry all of ``labels`` at the end. What the engine refuses costs disk, no more."""
    try:
        yield
    finally:
        if labels:  # without one the engine would take everybody's nameless images
            _clear(client, labels)


def _clear(client: Any, labels: Mapping[str, str]) -> None:
    client.timeout = _TIMEOUT_SECONDS
    wanted = {"dangling": True, "label": [f"{key}={value}" for key, value in labels.items()]}
    try:
        client.prune_images(wanted)
    except Exception as error:  # noqa: BLE001 - the build's own outcome counts; the next build tries again
        _log.info("The layers of an image build are left over: %s", error)
