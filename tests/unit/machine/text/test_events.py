"""Events, alerts and GPUs on the command line: its words, and texts that a person can read."""

import time
from dataclasses import replace

import pytest

from mlops_desk.desk.cli import output
from mlops_desk.desk.cli.parser import arguments_of, build
from mlops_desk.desk.cli.watch import painted
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.machine.records.alert import Alert, AlertRule
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState
from mlops_desk.machine.records.history import Curve, Curves
from mlops_desk.machine.records.incident import Absence, GpuUse, Incident
from mlops_desk.machine.records.metric import Reading

NOW = time.time()


def parsed(*words: str) -> tuple[str, dict[str, object]]:
    given = build().parse_args(list(words))
    return f"{given.verb.service}.{given.verb.name}", arguments_of(given.verb, given)


@pytest.mark.parametrize(
    ("words", "verb", "expected"),
    [
        (["events"], "events.list", {"since": None, "level": None, "device": None, "limit": 200}),
        (["events", "--level", "alert", "--limit", "5"], "events.list", {"level": "alert", "limit": 5}),
        (["events", "list", "--since", "1700000000"], "events.list", {"since": 1.7e9}),
        (["events", "show", "ab"], "events.show", {"incident_id": "ab"}),
        (["events", "recording", "ab", "--device", "host"], "events.recording", {"incident_id": "ab", "device": "host"}),
        (["gpus", "list"], "gpus.list", {}),
        (["gpus", "end-process", "7", "--start-ticks", "99", "--force"], "gpus.end_process",
         {"pid": 7, "start_ticks": 99, "force": True}),
        (["alerts", "rules"], "alerts.rules", {}),
        (["alerts", "configure", "gpu_memory", "--threshold", "0.5", "--enabled", "false"], "alerts.configure",
         {"name": "gpu_memory", "threshold": 0.5, "enabled": "false"}),
        (["alerts", "acknowledge", "ab"], "alerts.acknowledge", {"alert_id": "ab"}),
        (["alerts", "try-webhook"], "alerts.try_webhook", {}),
    ],
)  # fmt: skip
def test_words_of_the_contract(words, verb, expected):
    found, arguments = parsed(*words)
    assert found == verb
    assert {name: arguments[name] for name in expected} == expected


@pytest.mark.parametrize("words", [["events", "--since", "-1d"], ["events", "absence", "--since", "-1d"]])
def test_a_time_ago_is_sent_as_unix_time(words):
    since = parsed(*words)[1]["since"]
    assert abs(float(str(since)) - (time.time() - 86_400)) < 60


def test_a_time_that_is_none_is_told():
    with pytest.raises(Invalid, match="no time"):
        parsed("events", "--since", "yesterdayish")


def test_status_watches_only_when_told_to():
    assert build().parse_args(["status"]).act == "verb"
    assert build().parse_args(["status", "--watch"]).act == "watch"


def incident(**given) -> Incident:
    return Incident("a" * 32, NOW, "xid", "alert", "GPU 3: XID 79", "It fell off.", "Restart.", "GPU-3", **given)


def test_events_are_a_table_and_one_event_a_story():
    table = output.text([incident(count=1000, last_at=NOW + 5), incident(lasting=True)])
    assert "XID 79 (goes on)" in table
    assert "1000" in table
    story = output.text(incident(recorded=True, details={"user": "ada\n\x1b[31m"}, lasting=True, ended_at=NOW + 9))
    assert "Restart." in story
    assert "events recording aaaaaaaa" in story
    assert "\x1b" not in story
    assert output.text([]) == "Nothing yet."


def test_an_absence_says_what_went_wrong_what_ended_and_how_busy_it_was():
    gpus = GpuUse("GPU-3", 3, "H100", 0.42), GpuUse("GPU-4", 4, "A100", None)
    jobs = {"failed": 1, "succeeded": 2}
    told = output.text(Absence(NOW - 3600, NOW, (incident(),), {"GPU-3": 0.42}, jobs, gpus))
    assert "XID 79" in told
    assert "1 failed, 2 succeeded" in told
    assert [line.split() for line in told.split("\n")[-2:]] == [["3", "H100", "42%"], ["4", "A100", "not", "known"]]
    assert "Nothing went wrong." in output.text(Absence(NOW - 60, NOW, (), {}, {}))


def test_alerts_rules_processes_and_recordings_are_readable():
    alert = Alert("b" * 32, "gpu_lost", "Lost", "alert", "GPU-3", "GPU 3", "t", "h", NOW - 60, 1.0, "1")
    assert "fires" in output.text([alert])
    assert "GPU 3" in output.text(alert)
    assert "silent" not in output.text([alert, replace(alert, silenced_until=time.time() - 1)])
    assert "fires, silent until " in output.text([replace(alert, silenced_until=time.time() + 90)])
    known = replace(alert, xid=48, pid=7, job="train-x", event="e" * 32)
    shown = " ".join(output.text(known).split())
    assert "xid 48 job train-x pid 7 event mlops-desk events show eeeeeeee" in shown
    rule = AlertRule("gpu_memory", "Full", "gpu", "m", "1", True, 0.98, 0.95, 60.0, "info")
    assert "≥ 0.98 for 60 s" in output.text([rule])
    assert "ends at" in output.text(rule)
    assert "≥ 0.98 for 60 s within 150 s" in output.text(rule)
    swaps = AlertRule("host_swapping", "Swaps", "host", "m", "By/s", True, 33_554_432.0, 4_194_304.0, 30.0, "warning")
    assert "≥ 33554432 By/s for 30 s  4194304 By/s" in output.text([swaps])
    process = GpuProcess(7, "ada", "python", 5, start_ticks=99)
    gpu = Gpu(
        "GPU-3", 3, "H100", None, GpuState.OK, metrics={"hw.temperature": Reading(50.0, "Cel")}, processes=(process,)
    )
    assert "7:99 ada python" in output.text([gpu])
    client = replace(process, pid=8, kind="mps")
    assert "8:99 ada python (MPS)" in output.text([replace(gpu, processes=(client,))])
    assert "7 of ada" in output.text(process)
    curve = Curve("GPU-3", "hw.power", "W", b"", b"", b"")
    assert "hw.power (W)" in output.text(Curves(NOW, 1.0, 60, 1.0, (curve,)))
    assert output.text("hooks.example answered 204.") == "hooks.example answered 204."


def test_a_painted_status_fits_its_terminal():
    shown = painted("a" * 300 + "\nb\nc\nd", 10, 3)
    assert shown.startswith("\x1b[H" + "a" * 10 + "\x1b[K\n")
    assert "c" not in shown
    assert shown.endswith("\x1b[J")


def test_an_alert_tells_why_the_webhook_has_not_got_it():
    late = Alert("a1", "gpu_lost", "lost", "alert", "GPU-0", "GPU 0", "t", None, 1.0, 1.0, "1")
    assert "webhook" not in output.text(late)
    late = replace(late, undelivered="https://x answers 503.")
    assert "has not got it: https://x answers 503." in output.text(late)
    assert "not at the webhook" in output.text([late])
