"""Texts for what a model answered when it was asked beside its traffic."""

from collections.abc import Callable
from typing import Any

from mlops_desk.kit.base.text import plain, size_text
from mlops_desk.serving.records.export import ExportedEndpoint
from mlops_desk.serving.records.model_fit import ModelFit
from mlops_desk.serving.records.test_request import Replayed, Tried

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


def replayed(done: Replayed) -> str:
    """Say how alike the answers are, how long they took, and where they differ most."""
    skipped = f", {done.skipped} skipped: the log has not all of them" if done.skipped else ""
    lines = [
        f"{done.requests:,} requests to revision {done.revision} of {done.endpoint} in {done.seconds:.1f} s{skipped}",
        f"{done.same} same, {done.close} close, {done.different} different, {sum(done.errors.values())} errors",
    ]
    if done.errors:
        lines.append("errors: " + ", ".join(f"{word} {count}" for word, count in sorted(done.errors.items())))
    for word, told in (("logged", done.logged_latency), ("replayed", done.latency)):
        if told is not None:
            parts = ", ".join(f"{key} {getattr(told, key) * 1000:.1f} ms" for key in ("p50", "p95", "p99"))
            lines.append(f"{word + ':':<10}{parts}")
    for one in done.worst:
        where = f"{one.request_id}#{one.row}" + (f" {plain(one.output)}" if one.output else "")
        gap = "" if one.gap is None else f" ({100 * one.gap:.3g} % apart)"
        lines.append(f"  {where}: {one.logged} is now {one.replayed}{gap}")
    return "\n".join(lines)


def exported(done: ExportedEndpoint) -> str:
    """Say what was written, and how it is checked."""
    size = f"{size_text(done.size_bytes)}, {len(done.files)} files"
    platform = f", for {plain(done.platform)}" if done.platform else ""
    where = f"as {done.format}{platform}: {plain(done.to, _PATH)} ({size})"
    lines = [
        f"Endpoint {done.endpoint}, revision {done.revision}, {where}",
        f"image {done.image}, digest {done.digest}, {done.packages} Python packages listed",
    ]
    if done.signer is not None:
        lines.append(f"signed by {done.signer}; at its place ./verify.sh checks it and loads the image")
    lines += [plain(note, _PATH) for note in done.notes]
    return "\n".join(lines)


def fitted(fit: ModelFit) -> str:
    """Say whether a version fits, and where it would lie."""
    word = {True: "fits", False: "does not fit", None: "not known"}[fit.is_possible]
    where = f", on GPU {', '.join(map(str, fit.indices))}" if fit.indices else ""
    return f"{plain(fit.model)}/{plain(fit.version)}: {word}{where}\n{plain(fit.text)}"


FORMS: dict[type, Callable[[Any], str]] = {
    Tried: tried, Replayed: replayed, ExportedEndpoint: exported, ModelFit: fitted,
}  # fmt: skip
