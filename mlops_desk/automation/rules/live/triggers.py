"""By what a rule was set off, in words: something that came a moment ago, its schedule, or its condition. Pure."""

from collections.abc import Mapping

from mlops_desk.automation.records.conditions import Lasting, Momentary, ScheduleClause, WhenClause, leaves


def set_off_by(when: WhenClause, moments: Mapping[Momentary, str]) -> str:
    """Return what set a rule off; ``moments`` has the words of what came a moment ago."""
    found = leaves(when)
    words = [moments[leaf] for leaf in found if not isinstance(leaf, Lasting) and leaf in moments]
    if words:
        return words[0]
    return "its schedule" if all(isinstance(leaf, ScheduleClause) for leaf in found) else "its condition"
