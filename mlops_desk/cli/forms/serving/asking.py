"""Texts for what a model answered when it was asked beside its traffic."""

from collections.abc import Callable
from typing import Any

from mlops_desk.base.text import plain, size_text
from mlops_desk.records.serving.asking import Tried
from mlops_desk.records.serving.export import ExportedEndpoint

_PATH = 400  # chosen: most of a path
_BODY = 20_000  # chosen: some screens; --json has all that was read


def tried(answer: Tried) -> str:
    """Return the answer, and what there is to say of it."""
    revision = "no revision was asked" if answer.revision is None else f"revision {answer.revision}"
    head = f"{answer.status} by {revision} in {answer.seconds * 1000:.1f} ms, request {plain(answer.request_id)}"
    if answer.revision is None:
        head = f"{answer.status}, {revision}, after {answer.seconds * 1000:.1f} ms"
    lines = [plain(line, _BODY) for line in answer.body[:_BODY].splitlines()]
    cut = answer.cut or (f"only its first {_BODY:,} characters are shown" if len(answer.body) > _BODY else None)
    more = [f"The answer has {size_text(answer.body_bytes)}: {cut}."] if cut else []
    return "\n".join([head, *lines, *more])


def exported(done: ExportedEndpoint) -> str:
    """Say what was written, and how it is checked."""
    size = f"{size_text(done.size_bytes)}, {len(done.files)} files"
    lines = [
        f"Endpoint {done.endpoint}, revision {done.revision}, as {done.format}: {plain(done.to, _PATH)} ({size})",
        f"image {done.image}, digest {done.digest}, {done.packages} Python packages listed",
    ]
    if done.signer is not None:
        lines.append(f"signed by {done.signer}; at its place ./verify.sh checks it and loads the image")
    return "\n".join(lines)


FORMS: dict[type, Callable[[Any], str]] = {Tried: tried, ExportedEndpoint: exported}
