"""Words for what was judged: incidents, alerts and the verdict on a GPU; and how a kept recording becomes curves."""

from collections.abc import Callable, Iterable, Mapping

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.machine.records.alert import Alert, AlertRule
from mlops_desk.machine.records.incident import Absence, Incident
from mlops_desk.machine.records.status import Diagnosis, Status

LEVELS = {
    "alert": Mark("alert", numbers.ALERT, "alert"),
    "warning": Mark("warning", numbers.WARNING, "warning"),
    "info": Mark("info", numbers.INFO, "info"),
}
RANK = {"alert": 2, "warning": 1, "info": 0}
DIAGNOSES = {
    "loader": Mark("warning", numbers.WARNING, "waits for its loader"),
    "storage": Mark("warning", numbers.WARNING, "waits for storage"),
    "network": Mark("warning", numbers.WARNING, "waits for the network"),
    "processors": Mark("warning", numbers.WARNING, "waits for processors"),
    "pcie": Mark("warning", numbers.WARNING, "waits for PCIe"),
    "nvlink": Mark("warning", numbers.WARNING, "waits for NVLink"),
    "link": Mark("warning", numbers.WARNING, "a link is slow"),
    "peers": Mark("warning", numbers.WARNING, "waits for its peers"),
    "throttled": Mark("warning", numbers.WARNING, "throttled"),
    "small_batches": Mark("info", numbers.INFO, "small batches"),
    "unknown": Mark("unknown", numbers.UNKNOWN, "waits, cause unknown"),
}
_ENDED = Mark("muted", numbers.IDLE, "ended")
_UNITS: dict[str, Callable[[float | None], str]] = {
    "1": numbers.percent, "By": numbers.size, "By/s": numbers.byte_rate, "W": numbers.watts, "Cel": numbers.celsius,
    "Hz": numbers.hertz, "s": numbers.seconds,
}  # fmt: skip


def level(name: str) -> Mark:
    """Return the mark of a level; an unknown one is information."""
    return LEVELS.get(name, LEVELS["info"])


def diagnosis_mark(diagnosis: Diagnosis | None) -> Mark | None:
    """Return the mark of a verdict that a person should know of; None for busy, idle and no verdict."""
    return DIAGNOSES.get(diagnosis.cause) if diagnosis is not None else None


def diagnosis_of(status: Status, uuid: str) -> Diagnosis | None:
    """Return the verdict on a GPU."""
    return next((diagnosis for diagnosis in status.diagnoses if diagnosis.device == uuid), None)


def firing(alerts: Iterable[Alert]) -> list[Alert]:
    """Return the alerts that have not ended, the worst and then the newest first."""
    now = (alert for alert in alerts if alert.ended_at is None)
    return sorted(now, key=lambda alert: (-RANK.get(alert.level, 0), -alert.since))


def gravest(marks: Iterable[Mark]) -> Mark | None:
    """Return the mark that stands for several things: an alert before a warning; of equals the first."""
    return max(marks, key=lambda mark: RANK.get(mark.token, 0), default=None)


def worst(alerts: Iterable[Alert]) -> Mark | None:
    """Return the mark of the worst alert that fires and that somebody still wants to hear of."""
    return gravest(level(alert.level) for alert in firing(alerts) if not is_silent(alert))


def is_silent(alert: Alert) -> bool:
    """Tell whether nobody wants to hear of an alert: somebody has seen it, or silenced it for a while."""
    return alert.acknowledged_by is not None or (alert.silenced_until or 0.0) > agent_clock.now()


def silence(alert: Alert) -> str:
    """Say until when an alert is silent, and who wanted that; "" for one that is not."""
    until = alert.silenced_until or 0.0
    if until <= agent_clock.now():
        return ""
    by = f" ({plain(alert.silenced_by, 60)})" if alert.silenced_by else ""
    return f"silent until {numbers.day_and_clock(until)}{by}"


def alert_mark(alert: Alert) -> Mark:
    """Return an alert's state: its level while it fires."""
    return level(alert.level) if alert.ended_at is None else _ENDED


def incident_mark(incident: Incident) -> Mark:
    return level(incident.level)


def newest_moment(incident: Incident) -> float:
    """Return when an event happened: of one that was repeated, its last occurrence; of a state, when it began."""
    repeated = incident.count > 1 and incident.last_at is not None and not incident.lasting
    return incident.last_at if repeated and incident.last_at is not None else incident.at


def device_title(device: str | None, status: Status | None) -> str:
    """Return the name by which people know a device: ``GPU 3`` for a UUID, the host's name, or the kernel's name."""
    if device is None:
        return "this machine"
    if status is not None:
        for gpu in status.gpus:
            if gpu.uuid == device:
                return f"GPU {gpu.index}"
    if device == "host":
        return "host"
    return plain(device, 60) if not device.startswith("GPU-") else f"GPU {device[4:12]}"


def title_without_device(incident: Incident) -> str:
    """Return an event's title without the device, for where the device stands beside it."""
    return plain(incident.what or incident.title)


def quantity(value: float | None, unit: str) -> str:
    """Return a value in the words of its unit; of the unit 1, what is below 1 is a share."""
    if value is None:
        return numbers.NOTHING
    if unit == "1" and abs(value) >= 1.0:
        return numbers.number(value)
    written = _UNITS.get(unit)
    return written(value) if written else f"{numbers.number(value)}{numbers.THIN}{plain(unit, 12)}"


def is_share(rule: AlertRule) -> bool:
    """Tell whether a rule watches a share (0-1), shown in percent, and not a number or a yes."""
    return rule.unit == "1" and max(abs(rule.threshold), abs(rule.clear_at)) < 1.0


def is_yes(rule: AlertRule) -> bool:
    """Tell whether what a rule watches is so or not: 1 or 0, and nothing that is counted."""
    return rule.unit == "1" and not rule.counted and rule.above and (rule.threshold, rule.clear_at) == (1.0, 0.0)


def limit(rule: AlertRule, value: float) -> str:
    """Return a threshold of a rule: ``85 °C``, ``98 %``, ``1``."""
    if rule.counted:
        return f"{numbers.number(value)}{numbers.THIN}{plain(rule.counted, 24)}"
    return numbers.number(value) if rule.unit == "1" and not is_share(rule) else quantity(value, rule.unit)


def threshold(rule: AlertRule) -> str:
    """Return where a rule fires: ``≥ 85 °C``."""
    return f"{'≥' if rule.above else '≤'} {limit(rule, rule.threshold)}"


def alert_value(alert: Alert, rules: Mapping[str, AlertRule] | None) -> str:
    """Return an alert's newest value as its rule means it; a yes-or-no has none worth showing."""
    rule = (rules or {}).get(alert.rule)
    if rule is not None and is_yes(rule):
        return numbers.NOTHING
    if rule is not None and rule.counted and alert.value is not None:
        return limit(rule, alert.value)
    if rule is None or alert.value is None or alert.unit != "1":
        return quantity(alert.value, alert.unit)
    return numbers.percent(alert.value) if is_share(rule) else numbers.number(alert.value)


def has_news(absence: Absence) -> bool:
    """Tell whether anything happened that a person who was away wants to know."""
    return bool(absence.incidents or any(absence.jobs.values()))


def away_text(absence: Absence, status: Status | None) -> str:
    """Return the story of an absence in one paragraph: what happened, what ended, how busy the GPUs were."""
    parts = []
    worst = sum(incident.level != "info" for incident in absence.incidents)
    if worst:
        parts.append(numbers.count(worst, "thing") + " went wrong")
    jobs = [
        f"{numbers.count(amount, 'job')} {plain(outcome, 20)}" for outcome, amount in absence.jobs.items() if amount
    ]
    parts += [", ".join(jobs)] if jobs else []
    if absence.busy_ratio:
        mean = sum(absence.busy_ratio.values()) / len(absence.busy_ratio)
        idle = [device_title(uuid, status) for uuid, ratio in absence.busy_ratio.items() if ratio < 0.02]
        parts.append(f"GPUs were busy {numbers.percent(mean)} of the time" + _idle(idle, len(absence.busy_ratio)))
    return " · ".join(parts) or "Nothing happened"


def _idle(names: list[str], of: int) -> str:
    if not names:
        return ""
    if len(names) == of:
        return ", all of them idle"
    return f", {', '.join(names)} idle" if len(names) <= 3 else f", {len(names)} of {of} idle"


def span(absence: Absence) -> str:
    return numbers.duration(max(0.0, (absence.until or agent_clock.now()) - absence.since))
