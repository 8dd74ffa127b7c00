"""What narrows the queue: words, a state, a person, a sweep or array."""

from collections.abc import Callable, Iterable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.window.table.rows import GroupRow, MemberRow, QueueRow
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import filter_field
from mlops_desk.kit.window.words import jobs as words

_ANY = ""
_SHORTEST = 6  # chosen: letters that still tell two choices apart
_ENDED_BADLY = frozenset({JobState.FAILED, JobState.UNKNOWN})
STATES: dict[str, tuple[str, frozenset[JobState]]] = {
    _ANY: ("All states", frozenset(JobState)),
    "on": ("Running", words.ON),
    "waiting": ("Waiting", words.WAITING),
    "blocked": ("Blocked", frozenset({JobState.BLOCKED})),
    "failed": ("Failed or unknown", _ENDED_BADLY),
    "over": ("Ended", frozenset(state for state in JobState if state.is_final)),
}


class Filters(QWidget):
    """``changed``: other jobs are wanted. A choice that has nothing to offer is not shown."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.words = filter_field("Filter jobs")
        self.state = ChoiceBox("State")
        for key, (title, _) in STATES.items():
            self.state.addItem(title, key)
        self.user = ChoiceBox("User")
        self.group = ChoiceBox("Sweep or array")
        self.offer(())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        self.words.setMinimumWidth(theme.COLUMN_MINIMUM)
        row.addWidget(self.words, 2)
        for box in (self.state, self.user, self.group):
            box.activated.connect(self.changed)
            box.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToContents)
            # On a narrow page they are cut, and not the words that one types.
            box.setMinimumContentsLength(_SHORTEST)
            box.setMinimumWidth(0)
            box.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
            row.addWidget(box)
        row.addStretch(1)

    def offer(self, jobs: Iterable[JobBrief]) -> None:
        """Offer the people and groups that there are; what is chosen stays, be it gone."""
        users, groups = set(), {}
        for job in jobs:
            users.add(job.user)
            if job.group is not None:
                groups[job.group] = job.name
        _fill(self.user, "Everybody", {user: plain(user, 40) for user in users})
        _fill(self.group, "Any group", {key: f"{plain(name, 30)} ({key[:8]})" for key, name in groups.items()})
        self.user.setVisible(self.user.count() > 2)  # nobody, and one person
        self.group.setVisible(self.group.count() > 1)

    def clear(self) -> None:
        """Take every choice back."""
        self.words.clear()
        narrowed = self.fits() is not None
        for box in (self.state, self.user, self.group):
            box.setCurrentIndex(0)
        if narrowed:
            self.changed.emit()

    def narrows(self) -> bool:
        """Tell whether single jobs are looked for: by words, by a state, or those of a group."""
        return bool(self.words.text().strip() or self.state.currentData() or self.group.currentData())

    def fits(self) -> Callable[[QueueRow], bool] | None:
        """Return what tells of a job whether it is wanted; None where all are."""
        state, user, group = (str(box.currentData() or _ANY) for box in (self.state, self.user, self.group))
        if not (state or user or group):
            return None
        states = STATES[state][1]

        def fits(row: QueueRow) -> bool:
            job = row.lead if isinstance(row, GroupRow) else row.job if isinstance(row, MemberRow) else row
            return job.state in states and user in {_ANY, job.user} and group in {_ANY, job.group}

        return fits


def _fill(box: ChoiceBox, every: str, offered: dict[str, str]) -> None:
    chosen = str(box.currentData() or _ANY)
    if chosen and chosen not in offered:
        offered = {**offered, chosen: plain(chosen, 40)}
    wanted = [(_ANY, every), *sorted(offered.items(), key=lambda item: item[1].lower())]
    if wanted == [(box.itemData(number), box.itemText(number)) for number in range(box.count())]:
        return
    box.clear()
    for key, title in wanted:
        box.addItem(title, key)
    box.setCurrentIndex(max(box.findData(chosen), 0))
