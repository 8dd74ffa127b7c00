"""The images of the simulated workstation: some that nothing needs any more, and one that is on its way."""

import logging
import os
import time

from mlops_desk.engines.fake import FakeEngine
from mlops_desk.engines.fake_images import ScriptedPull
from mlops_desk.engines.image_store import StoredVolume
from mlops_desk.engines.images.service import ImagesService
from mlops_desk.engines.records.task import BuildStep, ImageTask, TaskKind, TaskState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.errors import DeskError

_log = logging.getLogger(__name__)

_GIB, _MIB = 1 << 30, 1 << 20
_HOUR, _DAY = 3600.0, 86_400.0
_LATE_SECONDS = 600.0  # chosen: the pull is still under way when somebody looks
_COMING = "nvcr.io/nvidia/pytorch:26.09-py3"
_OLD = (
    ("lab/pytorch:2.8", 9.1 * _GIB, 64),
    ("lab/pytorch:2.7", 8.7 * _GIB, 190),
    ("python:3.12-slim", 121 * _MIB, 12),
    ("postgres:17", 438 * _MIB, 40),
)
"""What lies there beside the images of the jobs: name, size, age in days."""
_OURS = ("lab/pytorch:2.8", "lab/pytorch:2.7")


def fill(engine: FakeEngine) -> None:
    """Put images and volumes there, and say how what is asked for next goes."""
    now = time.time()
    for name, size, days in _OLD:
        engine.add_image(name, architecture="amd64", size_bytes=int(size), created_at=now - days * _DAY)
    engine.stored_volumes += [
        StoredVolume("hf-cache", "local", int(212 * _GIB), now - 90 * _DAY),
        StoredVolume("pgdata", "local", int(3.4 * _GIB), now - 40 * _DAY),
    ]
    engine.remote |= {_COMING, *_OURS}
    sizes = (0.03, 0.4, 2.6, 0.2, 3.1, 0.9, 1.4)  # chosen: as the layers of such an image are
    engine.pulls[_COMING] = ScriptedPull(tuple(int(size * _GIB) for size in sizes), _LATE_SECONDS)


def play(images: ImagesService) -> None:
    """Begin what is under way, and tell what was brought by whom, and what failed."""
    try:
        images.remember(_failed_build(time.time() - _HOUR))
        images.stock.tell_origin("local", _OURS, TaskKind.PULL)
        images.pull(_COMING)
    except DeskError as error:
        _log.warning("The demo's images are not all there: %s", error.message)


def _failed_build(at: float) -> ImageTask:
    lines = (
        "Step 3/3 : RUN pip install -r /tmp/requirements.txt",
        "ERROR: No matching distribution found for flash-attn==9.9",
    )
    text = "Building the image team/trainer:dev failed: The command pip install returned a non-zero code: 1"
    return ImageTask(
        "5f0c1de9a4b2", TaskKind.BUILD, "team/trainer:dev", TaskState.FAILED, os.getuid(), user_name(os.getuid()), at,
        ended_at=at + 41.0, heard_at=at + 41.0, step=BuildStep(3, 3, "RUN pip install -r /tmp/requirements.txt"),
        log_tail=lines, reason=Reason("build_failed", text),
    )  # fmt: skip
