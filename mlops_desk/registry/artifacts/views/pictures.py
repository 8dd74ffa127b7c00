"""Pictures: decoded by a child of this child, which alone has Qt loaded, and drawn anew as a PNG of bounded size.

What decodes pictures is large and old, and what they hold comes from anybody. So it runs with its own limits, and the
window is handed pixels that were already read once. Where this machine has no Qt, the view says so.
"""

import base64

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.process import run_worker
from mlops_desk.registry.artifacts.files import OpenFile
from mlops_desk.registry.records.artifact_view import ArtifactView

_WORKER = "mlops_desk.kit.window.decoder"
_SECONDS = 8.0  # chosen: the largest picture, on a busy machine
_READ_BYTES = 32 << 20  # chosen: a photograph of a camera
_LONGEST_SIDE = 2048  # chosen: a screen


def view(path: str, opened: OpenFile) -> ArtifactView:
    """Show a picture. Raises DeskErrors."""
    data = opened.stream.read(_READ_BYTES + 1)
    if len(data) > _READ_BYTES:
        raise Invalid(f"The picture is larger than {_READ_BYTES >> 20} MiB.", "Download it.")
    request = {"data": base64.b64encode(data).decode(), "longest_side": _LONGEST_SIDE}
    try:
        answer = run_worker(_WORKER, request, _SECONDS, {"QT_QPA_PLATFORM": "offscreen"})
    except DeskError as error:
        return ArtifactView(path, "image", problem=error.message)
    size = f"{answer['width']} × {answer['height']} pixels"
    return ArtifactView(
        path, "image", image=base64.b64decode(answer["png"]), language=answer["format"], listing=(size,)
    )
