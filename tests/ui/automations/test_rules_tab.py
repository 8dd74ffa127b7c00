"""What a person does with rules on the page, and what they see of them."""

from dataclasses import replace

import pytest
from automation_doubles import DOCUMENT, NOW, firing_record, watched_course, watched_rule
from doubles import Double
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QFocusEvent, QWheelEvent
from PySide6.QtWidgets import QApplication

from mlops_desk.automation.records.condition_history import RuleCourse
from mlops_desk.automation.records.conditions import MetricClause
from mlops_desk.automation.records.firing import FiringState, FiringStep
from mlops_desk.automation.records.rule_record import KeptRule, ThingStanding
from mlops_desk.automation.window import words
from mlops_desk.automation.window.loads import AUTOMATIONS, FIRINGS
from mlops_desk.automation.window.rules.acts import AutomationDialog
from mlops_desk.automation.window.rules.columns import COLUMNS
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.kit.window.tables.model import SPARK_ROLE
from mlops_desk.kit.window.tables.order import Spark
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.machine.records import event as events

WATCHED = [column.key for column in COLUMNS].index("watched")


def opened(page, kind):
    return next((dialog for dialog in page.window().findChildren(kind) if dialog.isVisible()), None)


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture
def page(start, double, qtbot):
    shown = start(double, "automations").window.page()
    qtbot.waitUntil(lambda: shown.rules.list.shown_rows() == 8)
    return shown


def state_of(page, name):
    return page.rules.list.records.record(name).mark.word


def test_every_rule_says_how_it_stands(page, qtbot):
    qtbot.waitUntil(lambda: state_of(page, "ask-before-night") == "waits for a person")
    assert state_of(page, "warn-hot-gpus") == "armed"
    assert state_of(page, "stop-idle-jobs") == "paused"
    assert state_of(page, "roll-back-churn") == "cooling down"
    assert state_of(page, "old-sensor") == "unknown"
    assert state_of(page, "unreadable") == "can't be read"


def test_the_list_is_narrowed_to_what_holds_is_paused_or_needs_a_look(page, qtbot):
    def shown():
        return {name for name in page.context.store.part(AUTOMATIONS).value if page.rules.list.select(name)}

    qtbot.waitUntil(lambda: state_of(page, "ask-before-night") == "waits for a person")
    page.rules.which.choose("active")
    assert shown() == {"roll-back-churn"}
    page.rules.which.choose("paused")
    assert shown() == {"stop-idle-jobs"}
    page.rules.which.choose("look")
    assert {"ask-before-night", "old-sensor", "unreadable"} <= shown()
    assert page.show_thing("rule:warn-hot-gpus")
    assert (page.rules.which.current(), page.rules.chosen().name) == ("all", "warn-hot-gpus")


def test_nothing_that_is_unknown_is_said_to_be_armed_or_to_hold():
    clause = MetricClause("hw.temperature", "gpu", 84.0, 80.0)
    unknown = watched_rule(watched=(clause,), standings=(ThingStanding("GPU-0", None),))
    assert words.rule_mark(unknown).word == "unknown"
    assert "Nobody knows" in words.why(unknown)
    state = replace(unknown, watched=())  # a state of a job, say, of which nobody has told
    assert words.rule_mark(state).word == "unknown"
    moment = replace(state, lasts=False)
    assert words.rule_mark(moment).word == "armed"
    unseen = replace(moment, unseen="/srv/rows can't be looked into: Permission denied.")
    assert words.rule_mark(unseen).word == "unknown"
    assert words.rule_group(unseen, words.rule_mark(unseen)) == words.LOOK
    assert words.why(unseen).endswith("has come: /srv/rows can't be looked into: Permission denied.")
    assert words.standing_words(ThingStanding("", None)) == "unknown"
    for holds in (None, False):  # a rule that has fired knows that its moment is over, which is no news
        assert words.standing_words(ThingStanding("", holds, since=5.0), lasts=False) == "waits for its moment"
    half = replace(unknown, standings=(ThingStanding("GPU-0", None), ThingStanding("GPU-1", False)))
    assert words.rule_mark(half).word == "armed"
    holds = replace(unknown, standings=(ThingStanding("GPU-0", None), ThingStanding("GPU-1", True)))
    assert words.rule_mark(holds).word == "its condition holds"
    firing = firing_record("f", "warn-hot-gpus", FiringState.INTENDED, 1.0)
    assert words.rule_mark(holds, [firing]).word == "firing"
    assert words.rule_mark(replace(holds, enabled=False)).word == "paused"
    assert words.rule_mark(replace(holds, trouble="gone"), [firing]).word == "can't be read"


def test_a_rule_that_lacks_something_stands_under_need_a_look_with_what_lacks(page, double, qtbot):
    """On README's first model a rule on drift would wait for ever, and was said to be armed."""
    lacks = "Drift of endpoint churn is not judged: Nobody knows where its data lie. Hold it against live rows."
    rule = page.context.store.part(AUTOMATIONS).value["warn-hot-gpus"]
    assert words.rule_group(rule, words.rule_mark(rule)) is None
    double.announce(events.AutomationChanged(replace(rule, missing=(lacks,))))
    qtbot.waitUntil(lambda: state_of(page, "warn-hot-gpus") == "lacks something")
    page.rules.which.choose("look")
    assert page.rules.list.select("warn-hot-gpus")
    qtbot.waitUntil(lambda: lacks in page.rules.pane.view("now").says.whole)
    paused = replace(rule, missing=(lacks,), enabled=False)
    assert words.rule_mark(paused).word == "paused"


def test_a_rule_whose_last_firing_came_to_nothing_needs_a_look():
    lost = FiringStep("NotifyAction", "tell people by e-mail", FiringState.FAILED, "The mail server does not answer.")
    failed = firing_record("f2", "warn-hot-gpus", FiringState.FAILED, 1.0, lost)
    well = firing_record("f1", "warn-hot-gpus", FiringState.DONE, 9.0)
    rule = watched_rule(lasts=False)
    assert words.rule_mark(rule, [failed, well]).word == "last firing failed"
    assert words.rule_group(rule, words.rule_mark(rule, [failed, well])) == words.LOOK
    assert words.rule_mark(rule, [well, failed]).word == "armed"
    assert words.rule_mark(replace(rule, last_state=FiringState.UNKNOWN)).word == "last firing unknown"
    refused = replace(failed, steps=(replace(lost, action="ApprovalAction"),))
    assert words.rule_mark(rule, [refused]).word == "armed"


def test_a_firing_that_waits_for_a_time_does_not_wait_for_a_person():
    warned = FiringStep("StopJobAction", "stop job nightly", FiringState.WAITING, due_at=NOW + 600.0)
    asks = FiringStep("ApprovalAction", "ask: Train?", FiringState.WAITING)
    rule = watched_rule(lasts=False)
    assert words.rule_mark(rule, [firing_record("f", "r", FiringState.WAITING, 1.0, warned)]).word == "firing"
    assert words.rule_mark(rule, [firing_record("f", "r", FiringState.WAITING, 1.0, asks)]).word == "waits for a person"


def test_a_rule_is_paused_and_resumed_and_only_what_was_announced_is_shown(page, double, qtbot):
    page.rules.list.select("warn-hot-gpus")
    assert page.rules.acts.switch.text() == "Pause"
    click(qtbot, page.rules.acts.switch)
    qtbot.waitUntil(lambda: state_of(page, "warn-hot-gpus") == "paused")
    assert page.rules.acts.switch.text() == "Resume"
    click(qtbot, page.rules.acts.switch)
    qtbot.waitUntil(lambda: state_of(page, "warn-hot-gpus") == "armed")


def test_a_rule_is_fired_after_a_question_and_its_firing_is_listed(page, double, qtbot):
    page.rules.list.select("nightly-report")
    page.rules.pane.tabs.choose("firings")
    view = page.rules.pane.view("firings")
    assert view.none.isVisible()
    click(qtbot, page.rules.acts.fire)
    question = opened(page, Confirm)
    assert question.act.text() == "Fire rule"
    assert question.back.hasFocus() or question.back.isDefault()
    click(qtbot, question.act)
    qtbot.waitUntil(lambda: view.table.shown_rows() == 1)
    assert "You were told." in " ".join(fact.value for fact in view.steps.shown)


def test_a_firing_says_for_which_gpu_it_was_as_people_name_it(page, double, qtbot):
    uuid = "GPU-00000003-1111-2222-3333-444444444444"
    hot = replace(firing_record("f90", "nightly-report", FiringState.DONE, 60.0), subject=uuid)
    double.firings_by_id[hot.id] = hot
    double.announce(events.FiringChanged(hot))
    page.rules.list.select("nightly-report")
    page.rules.pane.tabs.choose("firings")
    view = page.rules.pane.view("firings")
    qtbot.waitUntil(lambda: [fact.value for fact in view.steps.shown if fact.name == "For"] == ["GPU 3"])
    assert "GPU 3" in [cell.text for cell in view.table.records._row("f90")]


def test_a_removed_rule_can_be_put_back(page, double, qtbot):
    offered = []
    page.context.offered.connect(lambda *told: offered.append(told))
    page.rules.list.select("warn-hot-gpus")
    click(qtbot, page.rules.acts.drop)
    click(qtbot, opened(page, Confirm).act)
    qtbot.waitUntil(lambda: not page.rules.list.holds("warn-hot-gpus") and bool(offered))
    assert page.rules.chosen() is None or page.rules.chosen().name != "warn-hot-gpus"
    offered[0][2]()
    qtbot.waitUntil(lambda: page.rules.list.holds("warn-hot-gpus"))
    assert double.kept_rules["warn-hot-gpus"].document == DOCUMENT


def test_a_built_in_rule_is_never_removed_and_can_be_as_it_was_at_first(page, double, qtbot):
    table = KeptRule(
        name="gpu_memory", id="built-in/gpu_memory", built_in=True, title="GPU memory is nearly full", help="Share.",
        sentence="When it is full: raise an alert until it is over.", document=DOCUMENT,
    )  # fmt: skip
    double.kept_rules["gpu_memory"] = table
    double.announce(events.AutomationChanged(table))
    qtbot.waitUntil(lambda: page.rules.list.holds("gpu_memory"))
    page.rules.list.select("gpu_memory")
    assert (page.rules.acts.drop.text(), page.rules.acts.drop.isEnabled()) == ("As at first …", False)
    double.announce(events.AutomationChanged(replace(table, changed_at=NOW)))
    qtbot.waitUntil(page.rules.acts.drop.isEnabled)
    click(qtbot, page.rules.acts.drop)
    click(qtbot, opened(page, Confirm).act)
    qtbot.waitUntil(lambda: not page.rules.acts.drop.isEnabled())


def test_the_list_is_narrowed_to_where_rules_come_from(page, double, qtbot):
    for name, changed in (("gpu_lost", None), ("gpu_memory", NOW)):
        rule = watched_rule(name, built_in=True, changed_at=changed, enabled=changed is None)
        double.announce(events.AutomationChanged(rule))
    qtbot.waitUntil(lambda: page.rules.list.holds("gpu_memory") and page.rules.list.holds("gpu_lost"))

    def shown(source):
        page.rules.source.setCurrentIndex(page.rules.source.findData(source))
        return {name for name in page.context.store.part(AUTOMATIONS).value if page.rules.list.select(name)}

    assert shown("built_in") == {"gpu_lost", "gpu_memory"}
    assert shown("changed") == {"gpu_memory"}
    assert page.rules.which._buttons["paused"].text().endswith("1")
    page.rules.which.choose("paused")
    assert shown("people") == {"stop-idle-jobs"}
    assert shown("built_in") == {"gpu_memory"}
    page.rules.which.choose("all")
    assert {"warn-hot-gpus", "old-sensor"} <= shown("people")
    assert page.show_thing("rule:gpu_lost"), "what one is led to is shown, whatever was chosen"
    assert page.rules.source.currentData() == "every"


def test_what_only_raises_an_alert_is_not_fired_by_hand_and_says_why(page, double, qtbot):
    page.rules.list.select("warn-hot-gpus")
    assert page.rules.acts.fire.isEnabled()
    double.announce(events.AutomationChanged(watched_rule("gpu_lost", built_in=True, fires_by_hand=False)))
    qtbot.waitUntil(lambda: page.rules.list.select("gpu_lost"))
    fire = page.rules.acts.fire
    assert not fire.isEnabled()
    assert "only raises an alert" in fire.toolTip()
    assert not any(one.when() for one in page.rules.actions_here() if one.id == "automations.fire")
    page.rules.list.select("warn-hot-gpus")
    assert fire.isEnabled()
    assert "only raises an alert" not in fire.toolTip()


def test_e_on_the_list_or_beside_it_opens_the_form(page, qtbot):
    page.rules.list.select("warn-hot-gpus")
    page.rules.list.setFocus()
    for place in (page.rules.list, page):
        qtbot.keyClick(place, Qt.Key.Key_E)
        qtbot.waitUntil(lambda: opened(page, AutomationDialog) is not None)
        assert opened(page, AutomationDialog).windowTitle() == "Rule warn-hot-gpus"
        opened(page, AutomationDialog).reject()
    qtbot.keyClick(page.filter_field(), Qt.Key.Key_E)
    assert opened(page, AutomationDialog) is None
    assert page.filter_field().text() == "e"


BUILT_IN = """\
apiVersion: mlops-desk/v1
kind: Rule
name: gpu_throttling
when: {metric: gpu.throttled, device: gpu, above: 0.1, average: true, clear: 0.02, for: 30s}
then: [{alert: warning}]
"""


def test_firings_older_than_those_of_all_rules_are_listed_of_the_chosen_one(page, double, qtbot):
    page.context.store.part(FIRINGS).value = {}
    double.frozen.add("rules")
    page.rules.list.select("warn-hot-gpus")
    page.rules.pane.tabs.choose("firings")
    view = page.rules.pane.view("firings")
    assert view.none.whole == "Loading its firings …"
    double.frozen.clear()
    double.thaw.set()
    qtbot.waitUntil(lambda: view.table.shown_rows() == 2)
    assert not view.none.isVisible()
    page.rules.list.select("old-sensor")
    qtbot.waitUntil(lambda: view.none.whole == "It has not fired yet.")
    assert not view.table.isVisible()


def test_firings_that_can_not_be_read_are_not_said_to_be_none_and_are_asked_for_again(page, double, qtbot):
    page.context.store.part(FIRINGS).value = {}
    double.failing["rules.firings"] = Unavailable("The database is busy.", "Press F5.")
    page.rules.list.select("warn-hot-gpus")
    page.rules.pane.tabs.choose("firings")
    view = page.rules.pane.view("firings")
    qtbot.waitUntil(lambda: view.none.whole == "▲ Its firings can't be read: The database is busy. Press F5.")
    del double.failing["rules.firings"]
    page.rules.refresh(page.context.store, frozenset({AUTOMATIONS}))
    qtbot.waitUntil(lambda: view.table.shown_rows() == 2)


@pytest.mark.parametrize("tab", ["rules", "labels"])
def test_a_rule_is_begun_by_a_key_on_each_tab_and_the_one_that_was_made_is_chosen(page, qtbot, tab):
    page.tabs.choose(tab)
    page.window().activateWindow()
    page.setFocus()
    qtbot.waitUntil(page.hasFocus)
    qtbot.keyClick(page, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: opened(page, AutomationDialog) is not None)
    dialog = opened(page, AutomationDialog)
    qtbot.keyClicks(dialog.form.first(), "made-by-keys")
    qtbot.keyClick(dialog, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: page.rules.chosen() is not None and page.rules.chosen().name == "made-by-keys")
    assert page.tabs.current() == "rules"


@pytest.mark.slow
def test_a_rule_that_is_awaited_from_another_tab_is_chosen_when_it_comes(page, double, qtbot):
    page.tabs.choose("labels")
    qtbot.waitUntil(lambda: page.panel().table() is not None and page.panel().table().key() is not None)
    page.reveal("rule:later")
    assert page.tabs.current() == "rules"
    qtbot.waitUntil(lambda: page.rules.chosen() is not None)
    later = replace(next(iter(double.kept_rules.values())), id="id-later", name="later")
    double.kept_rules["later"] = later
    double.announce(events.AutomationChanged(later))
    qtbot.waitUntil(lambda: page.rules.chosen().name == "later")


def test_a_rule_that_is_being_written_is_not_lost_by_escape(page, qtbot):
    page.rules.acts.create()
    dialog = opened(page, AutomationDialog)
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: opened(page, AutomationDialog) is None)
    assert opened(page, Confirm) is None, "nothing was typed"
    page.rules.acts.create()
    dialog = opened(page, AutomationDialog)
    qtbot.keyClicks(dialog.form.first(), "half")
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    click(qtbot, opened(page, Confirm).back)
    assert dialog.isVisible()
    assert "name: half" in dialog.text.toPlainText()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    click(qtbot, opened(page, Confirm).act)
    qtbot.waitUntil(lambda: opened(page, AutomationDialog) is None)


def test_a_built_in_rule_is_changed_in_the_form(page, double, qtbot):
    double.kept_rules["gpu_throttling"] = table = KeptRule(
        "gpu_throttling", id="built-in/gpu_throttling", built_in=True, title="Slowed down", help="By heat.",
        document=BUILT_IN,
    )  # fmt: skip
    double.announce(events.AutomationChanged(table))
    qtbot.waitUntil(lambda: page.rules.list.select("gpu_throttling"))
    page.rules.acts.edit()
    dialog = opened(page, AutomationDialog)
    fields = {field.path: made for field, made in dialog.form.inputs.items()}
    assert dialog.form.isVisible()
    assert "Slowed down. By heat." in dialog._about.whole
    shown = {path: made.text() for path, made in fields.items() if made.isVisibleTo(dialog)}
    assert shown["when", "average"] == "true"
    assert shown["when", "for"] == "30s"
    assert ("when", "grownOver") not in shown
    level = fields["then", "alert"]
    level.setText("info")
    level.textEdited.emit("info")
    assert "average: true\n" in dialog.text.toPlainText()
    assert "- alert: info\n" in dialog.text.toPlainText()
    fields["when", "above"].clear()
    qtbot.keyClicks(fields["when", "above"], "0.2")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "above: 0.2" in double.kept_rules["gpu_throttling"].document)


def test_a_rule_of_which_a_form_says_less_is_shown_as_its_document_alone(page, double, qtbot):
    double.kept_rules["warn-hot-gpus"] = more = watched_rule(document=DOCUMENT + "budget: {gpuHours: 8}\n")
    double.announce(events.AutomationChanged(more))
    qtbot.waitUntil(lambda: "budget" in page.rules.list.records.record("warn-hot-gpus").rule.document)
    page.rules.list.select("warn-hot-gpus")
    page.rules.acts.edit()
    dialog = opened(page, AutomationDialog)
    assert not dialog.form.isVisible()
    assert dialog.more.isVisible()
    dialog.text.setPlainText(DOCUMENT)
    assert dialog.form.isVisible()
    dialog.text.setPlainText(DOCUMENT + "budget:")
    assert dialog.form.isVisible(), "it does not come and go while one types"


def test_the_wheel_scrolls_the_form_and_changes_no_choice(page, qtbot):
    page.rules.acts.create()
    dialog = opened(page, AutomationDialog)
    for box in (dialog.form.when, dialog.form.then):
        before = box.currentIndex()
        wheel = QWheelEvent(QPointF(5, 5), QPointF(5, 5), QPoint(), QPoint(0, -240), Qt.MouseButton.NoButton,
                            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False)  # fmt: skip
        QApplication.sendEvent(box, wheel)
        assert box.currentIndex() == before


def test_a_new_rule_is_made_by_the_form_and_its_document_follows(page, double, qtbot):
    page.rules.acts.create()
    dialog = opened(page, AutomationDialog)
    fields = {field.path: made for field, made in dialog.form.inputs.items()}
    qtbot.keyClicks(fields["name",], "cool")
    fields["when", "above"].clear()
    qtbot.keyClicks(fields["when", "above"], "84")
    text = dialog.text.toPlainText()
    assert "name: cool\n" in text
    assert "above: 84\n" in text
    qtbot.waitUntil(lambda: "When cool holds" in dialog.says.whole)
    dialog.text.setPlainText(text.replace("84", "90"))
    assert fields["when", "above"].text() == "90"
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: page.rules.list.holds("cool"))


def test_what_is_done_then_is_in_sight_beside_what_it_waits_for(page, qtbot):
    page.rules.acts.create()
    dialog = opened(page, AutomationDialog)
    dialog.resize(1020, 710)
    fields = {field.path: made for field, made in dialog.form.inputs.items()}
    for then, last in (("notify", ("then", "level")), ("retrain", ("then", "metric")), ("stop", ("then", "warning"))):
        dialog.form.then.setCurrentIndex(dialog.form.then.findData(then))
        for field in (dialog.form.then, fields[last], fields["cooldown",]):
            qtbot.waitUntil(lambda field=field: field.visibleRegion().boundingRect().height() == field.height())


def test_the_field_that_has_the_keys_is_explained(page, qtbot):
    page.rules.acts.create()
    dialog = opened(page, AutomationDialog)
    fields = {field.path: made for field, made in dialog.form.inputs.items()}
    QApplication.sendEvent(fields["for",], QFocusEvent(QEvent.Type.FocusIn))
    assert dialog.form.help.whole == "How long it lasts before it counts"
    QApplication.sendEvent(fields["then", "level"], QFocusEvent(QEvent.Type.FocusIn))
    assert dialog.form.help.whole == ""
    QApplication.sendEvent(fields["for",], QFocusEvent(QEvent.Type.FocusIn))
    QApplication.sendEvent(dialog.form.then, QFocusEvent(QEvent.Type.FocusIn))
    assert dialog.form.help.whole == "", "what was said of another field"
    assert fields["for",].toolTip() == "How long it lasts before it counts"


def test_who_begins_a_rule_is_not_blamed_for_its_lacking_name_before_it_is_to_be_made(page, qtbot):
    page.rules.acts.create()
    dialog = opened(page, AutomationDialog)
    qtbot.waitUntil(lambda: "has no name yet" in dialog.says.whole)
    assert dialog.text.wrong_line() is None
    assert not any(label.isVisibleTo(dialog) for label in dialog.form._faults.values())
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "it is empty" in dialog.error_text())
    fault = next(label for field, label in dialog.form._faults.items() if field.path == ("name",))
    assert fault.isVisibleTo(dialog)


def test_measures_are_offered_by_their_words_and_told_with_their_limits(page, qtbot):
    page.rules.acts.create()
    dialog = opened(page, AutomationDialog)
    fields = {field.path: made for field, made in dialog.form.inputs.items()}
    name = fields["when", "metric"]
    qtbot.waitUntil(lambda: name.completer() is not None)
    name.clear()
    qtbot.keyClicks(name, "memory in use")
    completer = name.completer()
    assert [completer.currentCompletion(), completer.completionCount()] == ["gpu.memory_share", 1]
    fields["when", "device"].setText("disk")
    completer.activated.emit(completer.currentCompletion())
    assert "metric: gpu.memory_share" in dialog.text.toPlainText()
    assert fields["when", "device"].text() == "gpu"
    told = dialog.form.measured
    assert told.text() == "share of its memory in use: 0 to 1"
    name.setText("gpu.xid")
    assert told.text() == "Each gpu that has had a grave error (XID): at or above 1"


def test_what_the_form_can_not_say_stays_in_the_document(page, qtbot):
    page.rules.acts.create()
    dialog = opened(page, AutomationDialog)
    more = DOCUMENT + "budget: {gpuHours: 8}\n"
    dialog.text.setPlainText(more)
    assert not dialog.form.isEnabled()
    assert dialog.more.isVisible()
    assert dialog.text.toPlainText() == more


def test_an_error_is_marked_at_its_line_and_nothing_typed_is_lost(page, qtbot):
    page.rules.acts.create()
    dialog = opened(page, AutomationDialog)
    wrong = DOCUMENT.replace("hw.temperature", "hw.gone")
    dialog.text.setPlainText(wrong)
    qtbot.waitUntil(lambda: dialog.text.wrong_line() == 5)
    assert "Did you mean hw.gpu?" in dialog.says.whole
    faults = {field.path: label for field, label in dialog.form._faults.items()}
    fault = faults["when", "metric"]
    assert fault.isVisibleTo(dialog)
    assert fault.whole == "■ 'hw.gone' is no metric that the desk measures. Did you mean hw.gpu?"
    assert [path for path, label in faults.items() if label.isVisibleTo(dialog)] == [("when", "metric")]
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "hw.gone" in dialog.error_text())
    assert dialog.isVisible()
    assert dialog.text.toPlainText() == wrong
    name = next(made for field, made in dialog.form.inputs.items() if field.path == ("when", "metric"))
    assert dialog.focusWidget() is name
    dialog.text.setPlainText(DOCUMENT)
    qtbot.waitUntil(lambda: not fault.isVisibleTo(dialog))


def test_a_changed_rule_keeps_its_name(page, double, qtbot):
    page.rules.list.select("warn-hot-gpus")
    page.rules.acts.edit()
    dialog = opened(page, AutomationDialog)
    name = next(made for field, made in dialog.form.inputs.items() if field.path == ("name",))
    assert not name.isEnabled()
    dialog.text.setPlainText(DOCUMENT.replace("84", "91"))
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "91" in double.kept_rules["warn-hot-gpus"].document)
    page.rules.pane.tabs.choose("document")
    qtbot.waitUntil(lambda: "above: 91" in page.rules.pane.view("document").text.toPlainText())


def test_a_dry_run_is_asked_for_and_tells_what_would_have_been(page, double, qtbot):
    page.rules.list.select("warn-hot-gpus")
    page.rules.pane.tabs.choose("dry")
    view = page.rules.pane.view("dry")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 3)
    assert "it would have fired 2 times and been held back 1 time" in view.says.whole
    assert "The rule hall waits for the same and does the same, so all of it is done twice." in view.says.whole
    view.table.select("1")
    assert view.strip.place == 1
    assert double.tried_rules[-1] == DOCUMENT


def test_a_dry_run_that_takes_long_says_how_far_it_is_and_is_stopped(page, double, qtbot):
    double.dry_runs_last = True
    page.rules.list.select("warn-hot-gpus")
    page.rules.pane.tabs.choose("dry")
    view = page.rules.pane.view("dry")
    qtbot.waitUntil(lambda: "25" in view.bar.bar.accessibleDescription())
    assert not view.again.isEnabled()
    click(qtbot, view.bar.stop)
    qtbot.waitUntil(lambda: "was stopped" in view.says.whole)
    assert (view.bar.isVisible(), view.again.isEnabled()) == (False, True)
    assert "■" not in view.says.whole  # nothing went wrong
    qtbot.waitUntil(lambda: view.says.geometry().bottom() < view.height() / 2)  # where one reads on, not in the middle


def test_a_dry_run_that_nobody_looks_at_any_more_ends_and_the_next_rule_is_tried(page, double, qtbot):
    double.dry_runs_last = True
    page.rules.list.select("warn-hot-gpus")
    page.rules.pane.tabs.choose("dry")
    view = page.rules.pane.view("dry")
    qtbot.waitUntil(lambda: len(double.tried_rules) == 1 and double.ticket != "")
    double.dry_runs_last = False
    page.rules.list.select("nightly-report")
    qtbot.waitUntil(lambda: double.stopped.is_set() and view.table.shown_rows() == 3)
    assert "nightly-report" in double.tried_rules[-1]


def test_a_dry_run_that_fails_says_why(page, double, qtbot):
    double.failing["rules.dry_run"] = Unavailable("The history is being mended.", "Try again in a minute.")
    page.rules.pane.tabs.choose("dry")
    view = page.rules.pane.view("dry")
    qtbot.waitUntil(lambda: "The history is being mended." in view.says.whole)
    assert not view.table.isVisible()


@pytest.fixture
def wide(page, qtbot):
    """Return the page where there is room for the curves."""
    page.window().resize(1700, 900)
    qtbot.waitUntil(lambda: not page.rules.list.isColumnHidden(WATCHED))
    return page


def watched_cell(page, name):
    """Return the spark and the tip of a rule's curve."""
    model = page.rules.list.records
    index = model.index(model.row_of(name), WATCHED)
    return index.data(SPARK_ROLE), index.data(Qt.ItemDataRole.ToolTipRole)


def test_how_what_is_watched_went_stands_beside_its_threshold(wide, double, qtbot):
    qtbot.waitUntil(lambda: wide.rules.curves.of("roll-back-churn") is not None)
    spark, tip = watched_cell(wide, "roll-back-churn")
    assert spark == Spark((0.001, None, 0.03), 0.02), "a gap is no zero"
    assert tip.startswith("endpoint churn-prod: 5xx errors of endpoint churn-prod are at or above 2 %\n")
    assert "the most of each 15\u202fmin" in tip
    assert "fires at or above" in tip
    _, hot = watched_cell(wide, "warn-hot-gpus")
    assert "of 8 the one that came nearest" in hot


def test_a_rule_without_a_curve_says_why_in_its_row_and_in_its_tab(wide, double, qtbot):
    qtbot.waitUntil(lambda: bool(wide.rules.curves.untold("nightly-report")))
    assert watched_cell(wide, "nightly-report") == (None, "No curve: a person fires it.")
    wide.rules.list.select("nightly-report")
    view = wide.rules.pane.view("now")
    assert view.chart.isVisible()
    assert view.chart.told() == "No curve: a person fires it."
    wide.rules.list.select("warn-hot-gpus")
    assert view.chart.told().startswith("GPU 0: last ")
    assert view.chart.told().endswith("fires at or above 84\u202f°C; the mean of each 15\u202fmin")


def test_curves_that_can_not_be_asked_for_say_so_and_what_was_known_stays(wide, double, qtbot):
    tab = wide.rules
    qtbot.waitUntil(lambda: tab.curves.of("warn-hot-gpus") is not None)
    double.courses_fail = True
    other = watched_rule("other-rule")
    double.kept_rules["other-rule"] = other
    double.announce(events.AutomationChanged(other))
    changed = replace(double.kept_rules["warn-hot-gpus"], document=f"{DOCUMENT}# other\n")
    double.announce(events.AutomationChanged(changed))
    qtbot.waitUntil(lambda: bool(tab.curves.untold("other-rule")))
    assert watched_cell(wide, "other-rule")[1] == "No curve: it could not be asked for: The history is being mended."
    assert tab.curves.of("warn-hot-gpus") is not None


def test_no_rule_is_asked_for_twice_in_a_minute_and_none_while_nobody_looks(wide, double, qtbot):
    tab = wide.rules
    qtbot.waitUntil(lambda: tab.curves.of("warn-hot-gpus") is not None)

    def asked():
        return [name for names in double.asked_courses for name in names]

    qtbot.waitUntil(lambda: set(asked()) == set(tab.list.keys_in_sight()))
    for _ in range(3):
        tab.curves._ask()
    assert sorted(asked()) == sorted(set(asked()))
    changed = replace(double.kept_rules["warn-hot-gpus"], document=f"{DOCUMENT}# other\n")
    double.announce(events.AutomationChanged(changed))
    qtbot.waitUntil(lambda: double.asked_courses[-1] == ("warn-hot-gpus",))
    wide.tabs.choose("approvals")
    assert not tab.curves._again.isActive()
    assert not tab.curves._soon.isActive()
    tab.curves._asked.clear()
    tab.curves._ask()
    assert tab.curves._task is None, "nobody sees it"
    wide.tabs.choose("rules")
    assert tab.curves._again.isActive()


def test_only_the_rows_in_sight_are_asked_for_and_others_once_they_are_scrolled_to(wide, double, qtbot):
    for number in range(80):
        rule = watched_rule(f"zz-{number:02d}")
        double.kept_rules[rule.name] = rule
        double.announce(events.AutomationChanged(rule))
    tab = wide.rules
    qtbot.waitUntil(lambda: tab.list.shown_rows() == 88)
    seen = set(tab.list.keys_in_sight())
    assert 0 < len(seen) < 60
    qtbot.waitUntil(lambda: seen <= {name for names in double.asked_courses for name in names})
    bar = tab.list.verticalScrollBar()
    bar.setValue(bar.maximum())
    below = set(tab.list.keys_in_sight()) - seen
    assert below
    qtbot.waitUntil(lambda: below <= {name for names in double.asked_courses for name in names})
    tab.list.setColumnHidden(WATCHED, True)
    assert set(tab._in_sight()) == {tab.list.key()}, "its own curve is in its tab"


def test_a_gpu_is_named_as_people_do_where_its_curve_stands(page, double, qtbot):
    gpu = double.sample(NOW).gpus[1].uuid
    tab = page.rules
    tab.curves._got([watched_course("warn-hot-gpus", 80.0, 81.0, thing=gpu)])
    assert tab.curves.of("warn-hot-gpus").thing == "GPU 1"
    tab.curves._got([RuleCourse("warn-hot-gpus", untold="nothing of it was measured in this time")])
    assert tab.curves.of("warn-hot-gpus") is None


def test_without_rules_the_page_says_what_they_are_and_offers_the_first(start, qtbot):
    page = start(Double(empty=True, beat_seconds=0.2), "automations").window.page()
    qtbot.waitUntil(lambda: page.rules.state.isVisible() and "No rules yet" in page.rules.state.details())
    page.rules.state._do()
    assert opened(page, AutomationDialog) is not None


def test_rules_that_can_not_be_read_say_why_and_other_tabs_go_on(start, double, qtbot):
    double.failing["rules"] = Refused("The database is being moved.", "Wait a minute.")
    page = start(double, "automations").window.page()
    qtbot.waitUntil(lambda: "The database is being moved." in page.rules.state.details())
    page.tabs.choose("pipelines")
    qtbot.waitUntil(lambda: page.pipelines.list.shown_rows() == 4)


def test_hostile_text_is_shown_as_text_and_cut(page, double, qtbot):
    evil = "<img src=/etc/passwd>" * 500 + "\n\x1b[31m"
    rule = watched_rule("evil", sentence=evil, trouble=None)
    double.announce(events.AutomationChanged(rule))
    qtbot.waitUntil(lambda: page.rules.list.holds("evil"))
    row = page.rules.list.records.row_of("evil")
    shown = page.rules.list.records.index(row, 2).data()
    assert len(shown) <= 310
    assert "\x1b" not in shown
    assert "\n" not in shown
    page.rules.list.select("evil")
    assert len(page.rules.pane.sentence.whole) <= 2100
