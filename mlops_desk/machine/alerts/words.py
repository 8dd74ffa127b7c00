"""How alerts are said: the name of what they are about, what was measured, where that begins and ends. Pure."""

from typing import Any

from mlops_desk.drift.records.monitors import DriftWatch
from mlops_desk.jobs.records.job_activity import JobWatch
from mlops_desk.kit.base.hysteresis import span_words
from mlops_desk.kit.base.text import THIN, amount, percent, plain
from mlops_desk.machine.records.alert import AlertRule
from mlops_desk.machine.records.gpu import Gpu


def device_title(device_class: str, device: str, thing: Any) -> str:
    """Return the name by which people know a device."""
    if isinstance(thing, Gpu):
        return f"GPU {thing.index}"
    if isinstance(thing, JobWatch):
        return f"Job {plain(thing.name, 80)}"
    if isinstance(thing, DriftWatch):
        return f"Drift of {plain(thing.name, 100)}"
    if device_class == "host":
        return plain(thing.name, 80) or "This machine"
    return plain(device, 120)


def describe(rule: AlertRule, value: float | None) -> str:
    """Say what was measured, where it begins and where it ends; of what is only there or not, that it is there."""
    if (rule.threshold, rule.clear_at) == (1.0, 0.0) and rule.unit == "1" and not rule.counted:
        return rule.help
    shown = (measured_words(rule, each) for each in (value, rule.threshold, rule.clear_at))
    measured, begins, ends = shown
    bad, good = ("more", "less") if rule.above else ("less", "more")
    begins, ends = f"{begins} or {bad}", f"{ends} or {good}"
    if spell := span_words(rule.for_seconds, averaged=rule.averaged):
        begins = f"{begins} {spell}"
        ends += f" for {rule.for_seconds:g} s without a bad value" if not rule.averaged else " on average"
    return f"{rule.help} Measured: {measured}. It rings at {begins}, and ends at {ends}."


def measured_words(rule: AlertRule, value: float | None) -> str:
    """Return a rule's value as it means it: a share in per cent, a count with what is counted, else in its unit."""
    if value is None:
        return "nothing"
    if rule.counted:
        return f"{value:.4g}{THIN}{rule.counted}"
    is_share = rule.unit == "1" and max(abs(rule.threshold), abs(rule.clear_at)) < 1.0
    return percent(value, 1) if is_share else quantity(value, rule.unit)


def quantity(value: float | None, unit: str) -> str:
    """Return a value in its unit, for a sentence."""
    if value is None:
        return "nothing"
    if unit == "By/s":
        return amount(value / (1 << 20), "MiB/s", 1)
    if unit == "Cel":
        return amount(value, "°C")
    return f"{value:.4g}{'' if unit == '1' else THIN + unit}"
