"""Events, alerts, the overview's notes and ending a process: what a person sees and does."""

import time
from dataclasses import replace

import pytest
from doubles import Double, some_alert_rules, uuid_of
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtWidgets import QApplication, QLabel, QMenu

from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.gpus.window import end_process_form
from mlops_desk.gpus.window.end_process_form import EndProcess, open_end_process
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.kit.window.live import context
from mlops_desk.kit.window.live.context import Presence
from mlops_desk.kit.window.widgets.facts import Value
from mlops_desk.kit.window.words import alerts, gpus
from mlops_desk.machine.records import event as announced
from mlops_desk.machine.records.gpu import GpuProcess
from mlops_desk.machine.records.incident import Incident
from mlops_desk.machine.window.events.alert_rules import AlertRuleDialog


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def opened(page, kind):
    return next((dialog for dialog in page.findChildren(kind) if dialog.isVisible()), None)


@pytest.fixture
def events(start, double, qtbot):
    page = start(double, "events").window.page()
    qtbot.waitUntil(lambda: page.log.shown_rows() == 4 and page.rules.table.records.rowCount() == 3)
    return page


def test_an_event_says_what_it_means_what_to_do_and_shows_what_was_recorded(events, qtbot):
    assert events.log.key() == "x79"
    detail = events.detail
    assert "fallen off the bus" in detail._title.whole
    assert detail.command.command() == "sudo nvidia-smi -r -i 6"
    facts = {fact.name: fact.value for fact in detail._facts.shown}
    assert facts["Where"] == "GPU 6"
    assert facts["Meaning"] == "GPU has fallen off the bus"
    qtbot.waitUntil(lambda: "Recorded at full rate" in detail._says.whole)
    shown = {title: chart for title, chart in detail.charts.items() if chart.isVisible()}
    assert set(shown) == {"GPU activity", "GPU memory of processes", "Power", "Clock", "Memory"}
    assert "GPU 1" not in shown["Power"].accessibleDescription()  # its own curve is there
    assert "GPU 1" in shown["Clock"].accessibleDescription()  # its own is not
    assert "pid 911" in shown["GPU memory of processes"].accessibleDescription()


def test_a_built_in_rule_that_is_changed_elsewhere_is_read_anew(events, double, qtbot):
    old = double.alert_rules_by_name["gpu_memory"]
    double.alert_rules_by_name["gpu_memory"] = replace(old, threshold=0.91)
    double.announce(announced.AutomationChanged(KeptRule("mine", id="r1")))
    qtbot.wait(50)
    assert events.rules.table.records.record("gpu_memory").threshold == old.threshold
    double.announce(announced.AutomationChanged(KeptRule("gpu_memory", id="built-in/gpu_memory", built_in=True)))
    qtbot.waitUntil(lambda: events.rules.table.records.record("gpu_memory").threshold == 0.91)


@pytest.mark.slow
def test_events_of_an_agent_that_is_silent_say_of_when_they_are(events, double, qtbot):
    qtbot.waitUntil(lambda: events.context.store.is_true_now)
    assert not events._stale_line.isVisible()
    double.silent = True
    qtbot.waitUntil(events._stale_line.isVisible, timeout=8000)
    assert "This list is of" in events._stale_line.whole
    assert "no news from the agent since" in events._stale_line.whole
    double.silent = False
    qtbot.waitUntil(lambda: not events._stale_line.isVisible(), timeout=8000)


def test_a_mount_that_does_not_answer_is_told_first_on_the_overview_and_leads_to_it(overview, qtbot):
    key, tile = next(iter(overview._hosts.items()))
    assert key == "filesystem /mnt/nas"
    assert (tile.view.title, tile.view.mark.word, tile.view.unit) == ("/mnt/nas", "silent", "not responding")
    assert tile.view.foot == "since 13:58:20"
    assert not any(other.startswith("filesystem") for other in list(overview._hosts)[1:])
    tile.clicked.emit()
    page = overview.window().page()
    qtbot.waitUntil(lambda: page.tabs.current() == "filesystem")
    assert page.views["filesystem"].table.key() == "/mnt/nas"


def test_an_event_without_a_recording_says_so(events):
    events.log.select("thr1")
    assert "No recording" in events.detail._says.whole
    assert events.detail._says.isVisible()
    events.log.select("bind")
    assert not events.detail._says.isVisible()
    assert not any(chart.isVisible() for chart in events.detail.charts.values())


def test_the_cursor_of_a_recording_tells_its_time_above_the_curves(events, qtbot):
    at = events.context.store.incidents.value["oom1"].at
    events.log.select("oom1")
    events.detail._read(at)
    assert events.detail._recording.heading.whole == f"Recording, {time.strftime('%H:%M:%S', time.localtime(at))}"
    events.detail._read(None)
    assert events.detail._recording.heading.whole == "Recording"


def test_a_recording_that_can_not_be_had_is_told_in_its_place(events, double, qtbot):
    double.failing["incidents"] = Unavailable("The recording is gone.", "It is kept for a year.")
    events.log.select("oom1")
    qtbot.waitUntil(lambda: "The recording is gone." in events.detail._says.whole)


def test_the_log_is_filtered_by_level_device_and_text(events, qtbot):
    events.level.setCurrentIndex(1)
    assert events.log.shown_rows() == 3
    events.level.setCurrentIndex(2)
    assert events.log.shown_rows() == 1
    events.level.setCurrentIndex(0)
    events.device.setCurrentIndex(events.device.findText("GPU 2"))
    assert events.log.key() == "thr1"
    events.device.setCurrentIndex(0)
    events.filter_field().setText("killed")
    assert events.log.shown_rows() == 1
    events.reveal("bind")
    assert (events.log.key(), events.log.shown_rows()) == ("bind", 4)


def test_a_new_event_is_shown_and_the_chosen_one_stays_chosen(events, double, qtbot):
    events.log.select("oom1")
    double.put_incident(Incident("new", time.time(), "gpu", "alert", "GPU 6 is lost", device=uuid_of(6)))
    qtbot.waitUntil(lambda: events.log.shown_rows() == 5)
    assert events.log.key() == "oom1"


def test_an_event_leads_to_its_gpu(events, qtbot):
    moments = []
    events.context.wanted_moment.connect(moments.append)
    click(qtbot, events.detail.jump)
    window = events.window()
    assert window.title_row.title.whole == "GPUs"
    assert moments == [events.context.store.incidents.value["x79"].at]


def test_what_fires_stands_on_top_and_is_acknowledged(events, double, qtbot):
    card = events.alerts
    assert [card.table.model().index(row, 0).data() for row in range(2)] == ["■ alert", "▲ warning"]
    assert events.window().sidebar._buttons["events"]._badge.shape == "■ 2"
    click(qtbot, card.seen)
    qtbot.waitUntil(lambda: double.alerts_by_id["a-lost"].acknowledged_by == "ana")
    qtbot.waitUntil(lambda: not card.seen.isVisible())
    qtbot.waitUntil(lambda: events.window().sidebar._buttons["events"]._badge.shape == "▲ 1")
    double.put_alert(replace(double.alerts_by_id["a-lost"], ended_at=time.time()))
    double.put_alert(replace(double.alerts_by_id["a-heat"], ended_at=time.time()))
    qtbot.waitUntil(lambda: "Nothing fires" in card._calm.whole)
    assert events.window().sidebar._buttons["events"]._badge is None


def test_the_chosen_alert_is_silenced_for_a_while_and_heard_of_again(events, double, qtbot):
    card = events.alerts
    model = card.table.model()
    menu = card.quiet.open_menu()
    assert [one.text() for one in menu.actions()] == ["For 1 hour", "For 8 hours", "For 1 day", "For 1 week"]
    menu.actions()[1].trigger()
    menu.close()
    qtbot.waitUntil(lambda: "silent until" in (model.index(0, 6).data() or ""))
    assert 28_000.0 < double.alerts_by_id["a-lost"].silenced_until - time.time() <= 28_800.0
    menu = card.quiet.open_menu()
    assert menu.actions()[0].text() == "Hear of it again"
    menu.actions()[0].trigger()
    menu.close()
    qtbot.waitUntil(lambda: double.alerts_by_id["a-lost"].silenced_until is None)
    qtbot.waitUntil(lambda: not card.quiet.is_silent)


def test_a_silence_that_was_refused_says_why(events, double, qtbot):
    said = []
    events.context.said.connect(lambda *one: said.append(one))
    double.failing["alerts.silence"] = Refused("It is bo's alert.", "Ask bo.")
    events.alerts.quiet.wanted.emit(3600.0)
    qtbot.waitUntil(lambda: any("bo's alert" in text for _level, text in said))


def test_a_silenced_alert_stays_listed_says_until_when_and_asks_for_nothing(events, double, qtbot):
    card = events.alerts
    quiet = replace(double.alerts_by_id["a-lost"], silenced_until=time.time() + 3600, silenced_by="ana")
    double.put_alert(quiet)
    badge = events.window().sidebar._buttons["events"]
    qtbot.waitUntil(lambda: badge._badge.shape == "▲ 1")
    model = card.table.model()
    assert "silent until" in model.index(0, 6).data()
    assert model.index(0, 6).data().endswith("(ana)")
    double.put_alert(replace(quiet, silenced_until=None, silenced_by=None))
    qtbot.waitUntil(lambda: badge._badge.shape == "■ 2")
    assert not model.index(0, 6).data()


def test_an_alert_that_the_webhook_has_not_got_says_why_where_it_is_shown(events, double, qtbot):
    card = events.alerts
    assert not card.undelivered.isVisible()
    late = replace(double.alerts_by_id["a-lost"], undelivered="https://x answers 503.")
    double.put_alert(late)
    qtbot.waitUntil(lambda: card.undelivered.whole == "▲ Not at the webhook: https://x answers 503.")
    card.choose(None)
    qtbot.waitUntil(lambda: card.undelivered.whole == "▲ Not at the webhook: GPU lost: https://x answers 503.")
    double.put_alert(replace(late, undelivered=None))
    qtbot.waitUntil(lambda: not card.undelivered.isVisible())


def test_an_empty_log_says_what_will_be_here(start, qtbot):
    page = start(Double(empty=True, beat_seconds=0.2), "events").window.page()
    qtbot.waitUntil(lambda: "Nothing has happened yet" in page._nothing.details())
    assert not page.detail.isVisible()
    assert "Nothing fires" in page.alerts._calm.whole


def test_a_rule_is_changed_in_the_units_a_person_reads(events, double, qtbot):
    events.tabs.choose("rules")
    events.rules.table.select("gpu_memory")
    click(qtbot, events.rules.edit)
    dialog = opened(events, AlertRuleDialog)
    assert (dialog.threshold.text(), dialog.enabled.isChecked()) == ("97", False)
    dialog.threshold.setText("x")
    click(qtbot, dialog.act)
    assert "not a number" in dialog.error_text()
    dialog.threshold.setText("92")
    click(qtbot, dialog.act)
    assert "has to lie below" in dialog.error_text()
    dialog.clear_at.setText("90,5")
    dialog.enabled.setChecked(True)
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.alert_rules_by_name["gpu_memory"].enabled)
    rule = double.alert_rules_by_name["gpu_memory"]
    assert (rule.threshold, rule.clear_at) == (pytest.approx(0.92), pytest.approx(0.905))
    qtbot.waitUntil(lambda: events.rules.table.records.record("gpu_memory").enabled)


def test_a_rule_is_turned_off_and_the_webhook_is_tried(events, double, qtbot):
    events.tabs.choose("rules")
    events.rules.table.select("gpu_temperature")
    click(qtbot, events.rules.switch)
    qtbot.waitUntil(lambda: events.rules.switch.text() == "Turn on")
    click(qtbot, events.rules.attempt)
    qtbot.waitUntil(lambda: "answered 204" in events.rules._tried.whole)
    double.webhook_works = False
    click(qtbot, events.rules.attempt)
    qtbot.waitUntil(lambda: "did not answer" in events.rules._tried.whole)
    assert events.rules.attempt.isEnabled()


def test_a_secret_is_not_shown_and_not_sent_back_by_editing_around_it(events, double, qtbot):
    key = next(key for key in double.settings_by_key if key == "alerts.webhook")
    double.settings_by_key[key] = replace(double.settings_by_key[key], value="set", secret=True)
    events.rules.refresh(events.context.store)
    row = events.rules.rows[key]
    row.show_value(double.settings_by_key[key])
    assert set(row.field.text()) == {"\u2022"}
    events.tabs.choose("rules")
    row.field.setFocus()
    qtbot.keyClick(row.field, Qt.Key.Key_End)
    qtbot.keyClicks(row.field, "x")
    qtbot.keyClick(row.field, Qt.Key.Key_Return)
    assert "type all of it anew" in row.error_text()
    assert ("settings", "set") not in double.calls


# The overview.


@pytest.fixture
def overview(start, double, qtbot):
    page = start(double, "overview").window.page()
    qtbot.waitUntil(lambda: page.context.store.alerts.value is not None and bool(page._strip.said()))
    return page


def test_the_machine_is_summed_up_in_a_line(overview):
    said = overview._strip.said()
    assert "GPUs busy" in said[0]
    assert said[0].endswith("of 8")
    assert "/ 560" in said[1]  # the lost one's memory is not counted
    assert "GPU 6" in overview._strip._parts[1].toolTip()
    assert overview._alerts.text() == "■ 2 alerts"


def test_a_verdict_other_than_busy_marks_the_tile(overview):
    marks = [tile.view.mark.word for tile in overview._gpus.values()]
    assert marks[4] == "waits for its loader"
    assert "all processors are busy" in overview._gpus[uuid_of(4)].view.tip
    assert marks[0] == "leased"  # "busy" is no news
    assert marks[6] == "lost"


def test_alerts_and_events_stand_before_notices_and_lead_to_their_page(overview, qtbot):
    lines = overview._notices._lines
    assert lines[0].text == "GPU 6: GPU lost"
    assert "fell off the bus" in lines[0].tip
    overview._to_source("events/oom1")
    assert overview.window().page().log.key() == "oom1"


def test_the_first_start_explains_itself_once(start, qtbot):
    page = start(Double(beat_seconds=0.2), "overview").window.page()
    card = page._notes.welcome
    assert card.isVisible()
    for part in ("agent", "tray", "mlops-desk doctor", str(page.context.options.address)):
        assert part in card.said()
    click(qtbot, card.dismiss)
    assert not page._notes.isVisible()
    again = start(Double(beat_seconds=0.2), "overview").window.page()
    assert not again._notes.welcome.isVisible()


def test_the_demo_does_not_claim_to_show_this_machine(start):
    page = start(Double(beat_seconds=0.2), "overview", demo=True).window.page()
    assert "simulated" in page._notes.welcome.said()
    assert "this machine as it is" not in page._notes.welcome.said()


def test_what_was_missed_is_told_at_the_next_look_and_can_be_put_away(overview, double, qtbot):
    presence_of = overview.context.presence
    presence_of.look(time.time() - 3 * 3600)
    presence_of.look()
    card = overview._notes.away
    qtbot.waitUntil(card.isVisible)
    assert "While you were away (3" in card.said()
    assert "XID 79" in card.said()
    assert "1 job failed" in card.said()
    click(qtbot, card.dismiss)
    assert not card.isVisible()
    assert presence_of.away_since is None


def test_nothing_missed_is_not_told(start, qtbot):
    double = Double(empty=True, beat_seconds=0.2)
    page = start(double, "overview").window.page()
    page.context.presence.look(time.time() - 3 * 3600)
    page.context.presence.look()
    qtbot.waitUntil(lambda: ("incidents", "absence") in double.calls)
    qtbot.waitUntil(lambda: page.context.presence.away_since is None)
    assert not page._notes.away.isVisible()


def test_a_look_after_a_short_while_is_no_return(tmp_path):
    memory = QSettings(str(tmp_path / "memory.ini"), QSettings.Format.IniFormat)
    seen = Presence(memory)
    seen.look(1000.0)
    seen.look(1000.0 + context.AWAY_SECONDS - 1)
    assert seen.away_since is None
    seen.write()
    memory.sync()
    later = Presence(memory)
    later.look(1e6)
    assert later.away_since == 1000.0 + context.AWAY_SECONDS - 1


# Ending a process.


def process_of(overview, index) -> tuple:
    gpu = overview.context.store.status.gpus[index]
    return gpu, gpu.processes[0]


def test_a_process_is_asked_first_and_killed_only_when_that_did_not_help(overview, double, qtbot, monkeypatch):
    monkeypatch.setattr(end_process_form, "PATIENCE_MILLISECONDS", 300)
    double.stubborn = True
    dialog = open_end_process(overview.context, *process_of(overview, 2))
    told = " ".join(label.text() for label in dialog.findChildren(QLabel))
    assert "911" in told
    assert "/usr/bin/python3 sweep.py" in told
    assert "47" in told
    assert dialog.act.text() == "End process"
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: dialog.act.text() == "Kill")
    assert double.signals == [(911, 77, "TERM")]
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.signals[-1] == (911, 77, "KILL"))
    qtbot.waitUntil(lambda: opened(overview.window(), EndProcess) is None)
    qtbot.waitUntil(lambda: "has ended" in overview.window().notices._text.whole)


def test_a_refusal_is_told_in_place(overview, double, qtbot):
    dialog = open_end_process(overview.context, *process_of(overview, 2))
    double.failing["gpus"] = Refused("pid 911 is another process now.", "Look at the list again.")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "another process now" in dialog._says.whole)
    assert dialog.act.isEnabled()
    dialog.reject()


def test_anothers_process_is_not_ended_but_its_owner_is_named(start, qtbot, monkeypatch):
    monkeypatch.setattr(end_process_form.os, "geteuid", lambda: 4_000_000)
    page = start(Double(beat_seconds=0.2, simulated=False), "overview").window.page()
    dialog = open_end_process(page.context, *process_of(page, 2))
    assert not dialog.act.isVisible()
    assert "belongs to bo" in dialog._text.whole
    assert dialog._command.command() == "sudo kill 911"
    dialog.reject()


def test_in_the_demo_one_is_somebody_and_others_processes_are_theirs(overview):
    gpu, process = process_of(overview, 2)
    dialog = open_end_process(overview.context, gpu, replace(process, user="maria"))
    assert not dialog.act.isVisible()
    assert "belongs to maria (in the demo you are bo)" in dialog._text.whole
    QApplication.processEvents()
    for value in dialog.findChildren(Value):
        assert value.height() >= value.heightForWidth(value.width()), value.whole
    dialog._say("It has not ended. " * 20, "warning")
    QApplication.processEvents()
    assert dialog._says.height() >= dialog._says.heightForWidth(dialog._says.width())
    dialog.reject()


def test_without_a_start_time_a_process_is_left_alone(overview):
    gpu, process = process_of(overview, 2)
    dialog = open_end_process(overview.context, gpu, replace(process, start_ticks=None))
    assert not dialog.act.isVisible()
    dialog.reject()


def test_a_tiles_menu_offers_to_end_its_processes(overview, qtbot):
    overview._open_menu(uuid_of(2), QPoint(0, 0))
    menu = next(menu for menu in overview.findChildren(QMenu) if menu.isVisible())
    assert [action.text() for action in menu.actions()] == ["Open GPU 2", "End python3 911 (bo) …"]
    menu.close()


def test_a_process_is_called_by_its_program():
    assert gpus.process_title(GpuProcess(7, None, "/opt/x/train --a", None)) == "train 7 (user unknown)"


def test_quantities_are_said_in_their_unit():
    assert alerts.quantity(0.5, "1").startswith("50")
    flag, share = replace(some_alert_rules()[1], threshold=1.0, clear_at=0.5), some_alert_rules()[1]
    assert (alerts.threshold(flag), alerts.threshold(share)) == ("≥ 1", "≥ 97\u202f%")
    assert alerts.quantity(79.0, "1") == "79"
    assert alerts.quantity(None, "Cel") == "–"


def test_a_free_gpu_says_who_gets_it_next(start, double, qtbot):
    waiting = double.jobs_by_id["9e3f4a5b6c7d"]
    double.jobs_by_id[waiting.id] = replace(waiting, forecast_start=time.time() + 30)
    window = start(double, "overview").window
    tile = window.page()._gpus[uuid_of(3)]
    qtbot.waitUntil(lambda: tile._view.foot == "next: sweep-lr-0.3 now")
    held = window.page()._gpus[uuid_of(0)]
    assert held._view.foot.startswith("resnet50")
    window.sidebar.choose("gpus")
    page = window.page()
    page.list.select(uuid_of(3))
    qtbot.waitUntil(
        lambda: {fact.name: fact.value for fact in page.state.shown}.get("Next", "").endswith("· ana · now")
    )
    page.list.select(uuid_of(0))
    qtbot.waitUntil(lambda: "Next" not in {fact.name for fact in page.state.shown})


def test_one_thing_is_chosen_on_events_an_alert_and_the_event_that_it_began_with(events, qtbot):
    log, alerts_now = events.log, events.alerts.table
    assert (alerts_now.key(), log.key()) == ("a-lost", "x79")
    log.select("oom1")
    assert (alerts_now.key(), log.key()) == (None, "oom1")
    assert not events.alerts.seen.isVisible(), "nothing is acted on that is not chosen"
    alerts_now.select("a-lost")
    assert (alerts_now.key(), log.key()) == ("a-lost", "x79")
    assert "fallen off the bus" in events.detail._title.whole
    alerts_now.select("a-heat")  # the log has no event of it
    assert (alerts_now.key(), log.key()) == ("a-heat", None)
    assert events.detail._title.whole == "No event is chosen"
    assert events.alerts.seen.isVisible()


def test_the_page_of_gpus_and_the_overview_say_the_same_of_each(overview, qtbot):
    window = overview.window()
    window.go_to("gpus")
    page = window.page()
    qtbot.waitUntil(lambda: page.list.shown_rows() == 8)
    model = page.list.model()
    listed = [model.index(row, 2).data() for row in range(8)]
    assert listed == [tile.view.mark.text for tile in overview._gpus.values()]
    assert listed[4] == "▲ waits for its loader"
    page.show_thing(uuid_of(4))
    found = {fact.name: fact.value for fact in page.state.shown}
    assert (found["State"], found["Held as"]) == ("▲ waits for its loader", "● leased")
    page.show_thing(uuid_of(0))
    assert "Held as" not in {fact.name for fact in page.state.shown}
