"""The worker that judges windows: ``python -m mlops_desk.drift.monitors.worker``, one request on stdin.

Request: {"reference": path of a profile, "windows": paths of profiles, "options": DriftOptions}. A window may be held
against the one before it: with "previous" true the first window's reference is the file, each other's is the one
before. The answer, for each window: {"report": DriftReport, "middles": column -> [before, now]}.
"""

from pathlib import Path
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.errors import Invalid
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain
from mlops_desk.drift.monitors.segment_pairs import compare_segmented
from mlops_desk.drift.profile.form import read_profile
from mlops_desk.drift.profile.pairing import middles
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.records.drift import DriftOptions


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types. Raises Invalid."""
    options = wire.from_builtins(request.get("options") or {}, DriftOptions)
    reference = _read(request["reference"])
    found = []
    for path in request["windows"]:
        window = _read(path)
        found.append(_judged(reference, window, options))
        if request.get("previous"):
            reference = window
    return found


def _judged(reference: DataProfile, window: DataProfile, options: DriftOptions) -> dict[str, Any]:
    try:
        report = compare_segmented(reference, window, options)
    except TypeError as error:
        text = "The window and its reference were not made alike, so they can't be compared."
        raise Invalid(text, "Take the monitor's reference anew.") from error
    return {"report": wire.to_builtins(report), "middles": {k: list(v) for k, v in middles(reference, window).items()}}


def _read(path: str) -> DataProfile:
    try:
        return read_profile(Path(path))
    except OSError as error:
        raise Invalid(f"{plain(path, 1000)} can't be read: {error.strerror}.", "Check its permissions.") from error


if __name__ == "__main__":
    serve_one(answer)
