"""What would be done about data before a job starts, in a sentence."""

from mlops_desk.base.text import duration_text, plain
from mlops_desk.records.jobs.drift_words import size_words
from mlops_desk.records.jobs.staging import DataStanding, StagingForecast

_SHOWN = 400  # chosen: a paragraph


def forecast_text(one: StagingForecast) -> str:
    """Return what would be done about the data of one mount."""
    if one.standing is DataStanding.THERE:
        return f"a copy of its {_holds(one)} is on the local disk already."
    if one.standing is DataStanding.COPIED:
        return f"{_copied(one)}{_made_room(one)}."
    if one.standing is DataStanding.UNKNOWN:
        seen = "" if one.files is None else f" More than {one.files:,} files were seen."
        why = f" {plain(one.text, _SHOWN)}" if one.text else ""
        return f"its data are copied to the local disk first; how much that is takes longer to find out.{seen}{why}"
    return plain(one.text, _SHOWN)


def _holds(one: StagingForecast) -> str:
    files = one.files or 0
    return f"{size_words(one.size_bytes or 0)} in {files:,} file{'' if files == 1 else 's'}"


def _copied(one: StagingForecast) -> str:
    copied, size = one.copy_bytes or 0, one.size_bytes or 0
    what = _holds(one) if copied >= size else f"{size_words(copied)} of {_holds(one)}"
    if one.seconds is None:
        return f"{what} are copied to the local disk first; how fast that goes is not known yet"
    speed = f" at {size_words(int(one.bytes_per_second))} a second" if one.bytes_per_second else ""
    return f"{what} are copied to the local disk first, about {duration_text(one.seconds)}{speed} as measured before"


def _made_room(one: StagingForecast) -> str:
    if not one.evicted_bytes:
        return ""
    return f"; {size_words(one.evicted_bytes)} of copies that no job before it uses make room"
