"""The page on endpoints: its table, its tabs, and what can be done from there."""

from dataclasses import replace

import pytest
from doubles import endpoint_record
from PySide6.QtCore import Qt

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.kit.window.charts import feature_curves
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.kit.window.words import numbers
from mlops_desk.machine.records import event as events
from mlops_desk.serving.records.endpoint import (
    AliasFollowing,
    DeployStep,
    EndpointRevision,
    EndpointState,
    ModelRef,
    Replica,
    RevisionState,
)
from mlops_desk.serving.records.rollout import Rollout, RolloutGuard
from mlops_desk.serving.window.deploy_form import DeployDialog, TokenDialog
from mlops_desk.serving.window.detail.pane import drawn_revisions


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def opened(page, kind):
    return next((dialog for dialog in page.window().findChildren(kind) if dialog.isVisible()), None)


def revision(number, state, *, kept=True, version="3", image="one"):
    model = ModelRef("digits", version, f"models:/digits/{version}")
    return EndpointRevision(number, model, state, 0.0, "build", 1000.0 + number, image, is_kept=kept)


def digits(double, **changes):
    """Announce another state of the endpoint that is shown first."""
    changed = replace(double.endpoints_by_name["digits"], **changes)
    double.put_endpoint(changed)
    return changed


REVISIONS = (
    revision(1, RevisionState.RETIRED, version="2"),
    revision(2, RevisionState.LIVE),
    revision(3, RevisionState.FAILED, kept=False),
    revision(4, RevisionState.CANARY, version="4", image="two"),
)
ROLLOUT = Rollout(4, 5.0, (25.0, 50.0, 100.0), RolloutGuard(), 0.0)


@pytest.fixture
def page(start, double, qtbot):
    page = start(double, "endpoints").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == 3)
    page.reveal("digits")
    return page


def cells(page, name):
    row = page.table.records.record(name)
    return {column.title: column.cell(row) for column in page.table.records.columns}


def test_the_table_tells_p99_errors_traffic_and_where_the_alias_points(page, double, qtbot):
    shown = cells(page, "digits")
    assert shown["p99"].text == numbers.seconds(0.021)
    assert (shown["Errors 24 h"].text, shown["Errors 24 h"].token) == ("12", "warning")
    assert shown["Errors 24 h"].tip == "10 4xx, 2 timeout"
    assert cells(page, "fraud")["Errors 24 h"].text == numbers.NOTHING
    assert cells(page, "fraud")["p99"].text == numbers.NOTHING
    digits(double, traffic={"2": 0.95, "4": 0.05}, rollout=ROLLOUT, revisions=REVISIONS)
    qtbot.waitUntil(lambda: cells(page, "digits")["Traffic"].text == "r2 95% · r4 5%")
    model = double.models_by_name["digits"]
    double.models_by_name["digits"] = replace(model, aliases={"champion": "4"})
    double.announce(events.RegistryChanged(double.server))
    qtbot.waitUntil(lambda: cells(page, "digits")["Alias"].text == f"{numbers.WARNING} @champion is v4")


def test_curves_are_asked_of_the_endpoint_and_of_each_revision_that_answered(page, double, qtbot):
    digits(double, revisions=REVISIONS)
    view = page.pane.view("curves")
    qtbot.waitUntil(lambda: len(view.requests.traces) == 4)
    assert [trace.device for trace in view.requests.traces] == [
        "endpoint:digits",
        "endpoint:digits/1",
        "endpoint:digits/2",
        "endpoint:digits/4",
    ]
    qtbot.waitUntil(lambda: any("endpoint:digits/4\tendpoint.requests" in names for names, *_ in double.asked_curves))
    names = double.asked_curves[-1][0]
    assert "endpoint:digits\tendpoint.latency.p99" in names
    assert "endpoint:digits\tendpoint.gpu.memory" in names


def test_curves_that_nothing_announces_are_asked_for_again_while_they_are_seen(page, double, qtbot, monkeypatch):
    feed = page.pane.view("curves").stack.feed
    qtbot.waitUntil(feed._again.isActive)
    assert feed._again.interval() == 10_000
    before = len(double.asked_curves)
    feed._ask_again()
    qtbot.waitUntil(lambda: len(double.asked_curves) > before)
    page.window().show_page("jobs")
    assert not feed._again.isActive()
    assert feature_curves.is_asked_again("endpoint:x")
    assert not feature_curves.is_asked_again("job:x")


def test_of_many_revisions_the_newest_that_answered_are_drawn():
    many = tuple(revision(number, RevisionState.RETIRED) for number in range(1, 10))
    made = endpoint_record("x", EndpointState.LIVE, revisions=(*many, revision(10, RevisionState.FAILED)))
    assert drawn_revisions(made) == [4, 5, 6, 7, 8, 9]


def test_a_new_token_is_shown_once_and_an_open_endpoint_has_none(page, double, qtbot):
    assert not page.acts.token.isVisible()
    digits(double, token_required=True)
    qtbot.waitUntil(page.acts.token.isVisible)
    click(qtbot, page.acts.token)
    qtbot.waitUntil(lambda: opened(page, TokenDialog) is not None)
    assert opened(page, TokenDialog).token.command() == "an0ther-token"


# The rollout.


@pytest.fixture
def rolling(page, double, qtbot):
    digits(double, rollout=ROLLOUT, revisions=REVISIONS)
    qtbot.waitUntil(page.pane.rollout.isVisible)
    return page


def test_a_rollout_is_led_on_taken_back_and_shared_by_hand(rolling, double, qtbot):
    bar = rolling.pane.rollout
    assert bar.says.whole == "Revision 4 gets 5 % of the requests; revision 2 answers the others."
    assert not bar.share.isEnabled()
    bar.slider.setValue(40)
    bar.share.setFocus()
    click(qtbot, bar.share)
    qtbot.waitUntil(lambda: ("split", "digits", ["4=40", "2=60"]) in double.moved)
    digits(double, rollout=replace(ROLLOUT, percent=40.0))
    qtbot.waitUntil(lambda: not bar.share.isEnabled())
    assert bar.slider.hasFocus(), "a second Enter would promote it"
    click(qtbot, bar.promote)
    qtbot.waitUntil(lambda: ("promote", "digits", None) in double.moved)
    click(qtbot, bar.back)
    qtbot.waitUntil(lambda: ("rollback", "digits", None) in double.moved)


def test_what_one_sets_stays_while_the_load_changes_and_goes_when_the_agent_moves_it(rolling, double, qtbot):
    bar = rolling.pane.rollout
    bar.slider.setValue(40)
    seen = digits(double, updated_at=1.0)
    qtbot.waitUntil(lambda: rolling.chosen() == seen)
    assert bar.slider.value() == 40
    digits(double, rollout=replace(ROLLOUT, percent=25.0))
    qtbot.waitUntil(lambda: bar.slider.value() == 25)
    digits(double, rollout=None)
    qtbot.waitUntil(lambda: not bar.isVisible())


# Revisions.


def test_revisions_are_compared_with_the_live_one_and_put_back_after_a_question(rolling, double, qtbot):
    rolling.pane.tabs.choose("revisions")
    view = rolling.pane.view("revisions")
    assert view.table.shown_rows() == 4
    view.table.select("1")
    qtbot.waitUntil(lambda: [one.title for one in view.compare.table.values.things] == ["revision 2", "revision 1"])
    values = {value.key: value.values for value in view.compare._values}
    assert values["model"] == ("digits version 3", "digits version 2")
    click(qtbot, view.live)
    question = opened(rolling, Confirm)
    assert question.act.text() == "Roll back"
    click(qtbot, question.act)
    qtbot.waitUntil(lambda: ("promote", "digits", 1) in double.moved)


def test_an_endpoint_is_rolled_back_by_that_name_to_the_newest_revision_that_can_answer(page, double, qtbot):
    digits(double, revisions=REVISIONS)
    page.table.select("digits")
    qtbot.waitUntil(page.acts.back.isVisible)
    assert page.acts.back.text() == "Roll back …"
    action = next(one for one in page.actions_here() if one.id == "endpoints.back")
    assert action.when()
    assert action.title == "Roll back the chosen endpoint …"
    click(qtbot, page.acts.back)
    question = opened(page, Confirm)
    assert question.act.text() == "Roll back"
    click(qtbot, question.act)
    qtbot.waitUntil(lambda: ("promote", "digits", 1) in double.moved)


def test_a_revision_on_its_way_is_rolled_back_at_once(rolling, double, qtbot):
    assert not rolling.acts.back.isVisible()
    assert rolling.pane.rollout.back.text() == "Roll back"
    next(one for one in rolling.actions_here() if one.id == "endpoints.back").run()
    qtbot.waitUntil(lambda: ("rollback", "digits", None) in double.moved)


def test_a_revision_whose_files_are_gone_can_not_be_put_back(rolling):
    rolling.pane.tabs.choose("revisions")
    view = rolling.pane.view("revisions")
    for number, can in (("1", True), ("2", False), ("3", False), ("4", True)):
        view.table.select(number)
        assert view.live.isEnabled() is can, number


def test_without_the_registry_what_the_desk_knows_is_compared(rolling, double, qtbot):
    double.failing["models"] = Unavailable("The registry does not answer.")
    rolling.pane.tabs.choose("revisions")
    view = rolling.pane.view("revisions")
    view.table.select("1")
    qtbot.waitUntil(lambda: "the registry" in {value.key for value in view.compare._values})
    assert "model" in {value.key for value in view.compare._values}


# Requests.


def test_logged_requests_are_filtered_paged_and_one_is_shown_in_full(page, double, qtbot):
    page.pane.tabs.choose("requests")
    view = page.pane.view("requests")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 5)
    assert double.asked_requests[-1][1]["limit"] == 200
    view.table.select("late#0#2")
    assert "<b>x</b>" in view.whole.toPlainText()
    assert "No answer within 30 s." in view.whole.toPlainText()
    view.status.setCurrentIndex(3)
    view.slower.setText("100ms")
    qtbot.waitUntil(lambda: double.asked_requests[-1][1]["slower"] == "100ms")
    assert double.asked_requests[-1][1]["status"] == "5xx"
    assert double.asked_requests[-1][1]["revision"] is None
    newest = page.chosen().revision
    assert view.revision.itemData(1) == max([newest, *(one.revision for one in page.chosen().revisions)])
    view.revision.setCurrentIndex(1)
    qtbot.waitUntil(lambda: double.asked_requests[-1][1]["revision"] == view.revision.currentData())
    view.revision.setCurrentIndex(0)
    assert not view.more.isEnabled()


def test_a_long_log_is_paged(page, double, qtbot):
    double.logged = [replace(double.logged[0], request_id=f"r{number}") for number in range(1500)]
    page.pane.tabs.choose("requests")
    view = page.pane.view("requests")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 200)
    assert "there are older ones" in view.says.whole
    click(qtbot, view.more)
    qtbot.waitUntil(lambda: view.table.shown_rows() == 1000)
    click(qtbot, view.more)
    qtbot.waitUntil(lambda: view.table.shown_rows() == 1500)
    assert not view.more.isEnabled()
    assert view.table.records.prepared < 300, "only cells that are seen are made"


def test_a_log_that_can_not_be_read_says_why_and_keeps_what_it_had(page, double, qtbot):
    page.pane.tabs.choose("requests")
    view = page.pane.view("requests")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 5)
    double.failing["endpoints"] = Refused("The log is damaged.", "Look at it.")
    click(qtbot, view.again)
    qtbot.waitUntil(lambda: view.says.whole == f"{numbers.WARNING} The log is damaged. Look at it.")
    assert view.table.shown_rows() == 5


def test_the_output_is_that_of_the_replica_that_is_chosen(page, double, qtbot):
    page.pane.tabs.choose("log")
    view = page.pane.view("log")
    qtbot.waitUntil(lambda: "of mld-ep-digits-r2" in view.output.log.text())
    assert not view.replica.isVisible()
    digits(double, replicas=(Replica("one", 2, "running"), Replica("two", 2, "running")))
    qtbot.waitUntil(view.replica.isVisible)
    view.replica.setCurrentIndex(view.replica.findData("one"))
    qtbot.waitUntil(lambda: "of one" in view.output.log.text())
    digits(double, replicas=(Replica("one", 2, "running"), Replica("three", 2, "running")))
    qtbot.waitUntil(lambda: view.replica.findData("three") >= 0)
    assert view.replica.currentData() == "one", "what one has chosen stays while it is there"


# A deployment, and one that failed.


def test_while_it_is_built_its_steps_and_output_are_shown(page, double, qtbot):
    page.pane.tabs.choose("facts")
    view = page.pane.view("facts")
    assert not view.output.isVisible()
    steps = (DeployStep("fetch", "the files", 1.0, 0.5), DeployStep("build", "4 requirements", 2.0))
    digits(double, state=EndpointState.BUILDING, steps=steps)
    qtbot.waitUntil(view.output.isVisible)
    told = {fact.name: fact.value for fact in view.facts.shown}
    assert told["Step"] == "build: 4 requirements"
    qtbot.waitUntil(lambda: "model loaded in 1.42 s" in view.output.log.text())


def test_a_revision_that_is_built_beside_the_live_one_shows_its_build(page, double, qtbot):
    page.pane.tabs.choose("log")
    view = page.pane.view("log")
    qtbot.waitUntil(lambda: "of mld-ep-digits-r2" in view.output.log.text())
    double.build_lines = ["STEP 1/3: FROM python", "Collecting pandas"]
    steps = (DeployStep("fetch", "the files", 1.0, 0.5), DeployStep("build", "4 requirements", 2.0))
    made = (revision(2, RevisionState.LIVE), revision(3, RevisionState.BUILDING, kept=False))
    digits(double, steps=steps, revisions=made)
    qtbot.waitUntil(lambda: "Collecting pandas" in view.building.log.text())
    assert view.building.isVisible()
    assert "build …: 4 requirements" in view.building.steps.whole
    assert "building revision 3: 4 requirements" in page.pane.now.whole
    double.build_lines = [*double.build_lines, "ERROR: No matching distribution found for pandas==99"]
    view.building.look()
    qtbot.waitUntil(lambda: "pandas==99" in view.building.log.text())
    assert view.building.log.text().count("Collecting pandas") == 1, "what is shown is not shown again"
    view.replica.setCurrentIndex(view.replica.findData("mld-ep-digits-r2"))
    qtbot.waitUntil(view.output.isVisible)
    cause = "\n".join(f"ERROR: cause {number}" for number in range(12))
    failed = replace(
        made[1], state=RevisionState.FAILED, reason=Reason("build_failed", "No pandas.", cause, "Mend it.")
    )
    digits(double, steps=steps, revisions=(made[0], failed))
    qtbot.waitUntil(view.building.isVisible)
    assert all(f"ERROR: cause {number}" in view.building.cause.whole for number in range(12)), "the cause is whole"
    assert "Mend it." in view.building.cause.whole
    assert not view.building._again.isActive(), "nothing more is written"
    digits(double, steps=(), revisions=(revision(2, RevisionState.LIVE),))
    qtbot.waitUntil(view.output.isVisible)
    assert not view.replica.isVisible()


def test_a_build_that_begins_anew_is_shown_from_its_beginning(page, double, qtbot):
    page.pane.tabs.choose("log")
    view = page.pane.view("log")
    double.build_lines = ["on python:3.12", "Collecting pandas"]
    digits(double, revisions=(revision(2, RevisionState.LIVE), revision(3, RevisionState.BUILDING, kept=False)))
    qtbot.waitUntil(lambda: "Collecting pandas" in view.building.log.text())
    double.build_lines = ["on this machine's own Python", "Collecting numpy", "Collecting scipy"]
    view.building.look()
    qtbot.waitUntil(lambda: "scipy" in view.building.log.text())
    assert view.building.log.text().startswith("on this machine's own Python")
    assert "pandas" not in view.building.log.text()


def test_a_failure_shows_the_cause_and_the_last_lines(page, double, qtbot):
    page.pane.tabs.choose("facts")
    page.table.select("router")
    view = page.pane.view("facts")
    told = {fact.name: fact.value for fact in view.facts.shown}
    assert "scikit-learn==1.9.9 is not in the index" in " ".join(told.values())
    assert view.output.isVisible()


def test_hostile_names_and_reasons_are_plain_text(page, double, qtbot):
    reason = Reason("x", "<img src=x>\x1b[31m\n" + "long " * 5000)
    digits(double, state=EndpointState.FAILED, reason=reason, replicas=(Replica("<b>c</b>", 2, "down"),))
    page.pane.tabs.choose("facts")
    view = page.pane.view("facts")
    qtbot.waitUntil(lambda: any("<img" in fact.value for fact in view.facts.shown))


def test_what_is_deployed_is_chosen_and_not_typed(page, double, qtbot):
    page.acts.deploy_again()
    dialog = opened(page, DeployDialog)
    qtbot.waitUntil(lambda: dialog.version.findData("digits/2") > 0)
    assert dialog.endpoint.currentData() == "digits"
    assert dialog.version.currentData() == "digits@champion"
    assert not dialog.name.isEnabled()
    dialog.endpoint.setCurrentIndex(dialog.endpoint.findData("router"))
    assert dialog.name.text() == "router"
    dialog.endpoint.setCurrentIndex(0)
    assert (dialog.name.text(), dialog.name.isEnabled()) == ("digits", True)
    dialog.endpoint.setCurrentIndex(dialog.endpoint.findData("digits"))
    dialog.start.setCurrentIndex(1)
    dialog.runtime.setCurrentIndex(dialog.runtime.findData("build"))
    dialog.version.setCurrentIndex(dialog.version.findData("digits/2"))
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: bool(double.deployed))
    assert double.deployed[-1] == (
        "digits/2",
        "digits",
        {"runtime": "build", "shadow": False, "canary": 5.0, "open": None, "gpus": None, "replicas": None, "follow": None,
         "wait": False},
    )  # fmt: skip


def test_a_runtime_that_nobody_ran_says_so_among_the_facts(page, double, qtbot):
    revision = EndpointRevision(2, double.endpoints_by_name["digits"].model, RevisionState.LIVE, never_run=True)
    digits(double, runtime="triton", revision=2, revisions=(revision,))
    page.pane.tabs.choose("facts")
    view = page.pane.view("facts")
    qtbot.waitUntil(lambda: any("Never run on a real one" in fact.value for fact in view.facts.shown))


def test_where_it_is_placed_is_chosen_and_whether_it_fits_is_told_before(page, double, qtbot):
    page.acts.deploy_again()
    dialog = opened(page, DeployDialog)
    qtbot.waitUntil(lambda: "2 MiB" in dialog.place.fit.whole)
    assert dialog.place.n_gpus() is None, "as before"
    dialog.place.gpus.setCurrentIndex(dialog.place.gpus.findData(8))
    qtbot.waitUntil(lambda: dialog.place.fit.whole.startswith(f"{numbers.ALERT} It does not fit. It needs about"))
    dialog.place.gpus.setCurrentIndex(dialog.place.gpus.findData(2))
    qtbot.waitUntil(lambda: dialog.place.fit.whole.startswith(f"{numbers.OK} It fits."))
    assert double.asked_fits[-1] == ("digits@champion", 2)
    dialog.place.replicas.setCurrentIndex(dialog.place.replicas.findData(3))
    qtbot.waitUntil(lambda: dialog.runtime.findData("triton") > 0)
    told = dialog.runtime.itemText(dialog.runtime.findData("triton"))
    assert told == "NVIDIA <b>Triton</b>, never run on a real one, not possible here"
    assert dialog.follows.isEnabled()
    dialog.follows.setChecked(True)
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: bool(double.deployed))
    asked = double.deployed[-1][2]
    assert (asked["gpus"], asked["replicas"], asked["follow"]) == (2, 3, "champion")


def test_a_version_by_its_number_is_not_followed_and_one_without_a_size_is_said_not_to_be_known(page, double, qtbot):
    double.failing["endpoints.fit"] = Unavailable("The registry does not answer.")
    page.acts.deploy_again()
    dialog = opened(page, DeployDialog)
    qtbot.waitUntil(lambda: dialog.version.findData("digits/2") > 0)
    dialog.follows.setChecked(True)
    dialog.version.setCurrentIndex(dialog.version.findData("digits/2"))
    assert not dialog.follows.isChecked()
    assert not dialog.follows.isEnabled()
    qtbot.waitUntil(lambda: "is not known: The registry does not answer." in dialog.place.fit.whole)
    dialog.reject()


def test_a_thousand_endpoints_are_shown_by_those_that_are_seen(page, double, qtbot):
    for number in range(1000):
        double.endpoints_by_name[f"e{number}"] = endpoint_record(f"e{number}", EndpointState.LIVE)
    page.reload()
    qtbot.waitUntil(lambda: page.table.shown_rows() == 1003)
    assert page.table.records.prepared < 400


def test_one_without_an_address_does_not_show_that_of_the_one_before(page, double, qtbot):
    page.window().resize(1280, 1000)
    qtbot.waitUntil(page.pane.url.isVisible)
    digits(double, state=EndpointState.FAILED, replicas=(), url=None)
    qtbot.waitUntil(lambda: not page.pane.url.isVisible())


def test_in_a_low_window_a_rollout_hides_what_it_says_itself_and_never_what_is_wrong(rolling, double, qtbot):
    rolling.window().resize(1280, 800)
    qtbot.waitUntil(lambda: rolling.pane.height() < 600)
    follows = AliasFollowing("4", 0.0, 5.0)
    digits(double, rollout=ROLLOUT, revisions=REVISIONS, follows="champion", following=follows)
    qtbot.waitUntil(lambda: "which it follows" in rolling.pane.now.whole)
    assert not rolling.pane.now.isVisible()
    digits(double, rollout=ROLLOUT, revisions=REVISIONS, reason=Reason("x", "A replica could not be started."))
    qtbot.waitUntil(lambda: "could not be started" in rolling.pane.now.whole)
    assert rolling.pane.now.isVisible()
    rolling.window().resize(760, 520)
    bar = rolling.pane.rollout
    qtbot.waitUntil(lambda: not bar.waits.isVisible())
    assert not bar.says.isVisible()
    assert bar.brief.isVisible()
    assert bar.brief.whole == "r4: 5 %"
    for told in (bar.says, bar.waits, bar.guard):
        assert told.whole in bar.toolTip()


@pytest.mark.parametrize("reason", [None, Reason("x", "A replica could not be started: its container ended at once.")])
def test_in_a_small_window_a_rollout_leaves_the_charts_their_times_and_scrolls_the_rest(rolling, double, qtbot, reason):
    stack = rolling.pane.view("curves").stack
    lowest = stack.charts[-1]
    for size, has_strip in (((1280, 900), True), ((760, 520), False), ((1280, 900), True)):
        rolling.window().resize(*size)
        digits(double, rollout=ROLLOUT, revisions=REVISIONS, reason=reason)
        qtbot.waitUntil(lambda shown=has_strip: stack.strip.isVisible() == shown)
        qtbot.waitUntil(lambda: lowest.height() >= lowest.minimumHeight())
        bottom = lowest.mapTo(rolling.pane, lowest.rect().bottomLeft()).y()
        qtbot.waitUntil(lambda: lowest.mapTo(rolling.pane, lowest.rect().bottomLeft()).y() < rolling.pane.height())
        assert lowest.times, bottom
        assert lowest.visibleRegion().boundingRect().height() == lowest.height(), "nothing of the times is cut"
    first = stack.charts[0]
    rolling.window().resize(760, 520)
    qtbot.waitUntil(lambda: first.height() > stack._area.viewport().height() // 2)
    assert stack._area.verticalScrollBar().maximum() > 0, "the rest is reached by scrolling"
    assert all(one.isVisible() for one in (rolling.pane.rollout.promote, rolling.pane.rollout.back))


def test_in_a_narrow_window_the_tabs_have_the_room_and_the_requests_of_the_span_are_reached_by_name(
    page, double, qtbot
):
    pane = page.pane
    page.window().resize(1280, 800)
    qtbot.waitUntil(pane.requests_of.isVisible)
    page.window().resize(760, 520)
    qtbot.waitUntil(lambda: not pane.requests_of.isVisible())
    pane.tabs.choose("setup")
    pane.tabs.choose("curves")
    assert not pane.requests_of.isVisible()
    act = next(action for action in page.actions_here() if action.id == "endpoints.span")
    act.run()
    assert pane.tabs.current() == "requests"


def test_where_not_all_columns_fit_the_model_is_left_out_and_told_by_the_tip_of_the_name(page, double, qtbot):
    place = [column.key for column in page.table.records.columns].index("model")
    page.window().resize(2400, 900)
    qtbot.waitUntil(lambda: not page.table.isColumnHidden(place))
    page.window().resize(800, 600)
    qtbot.waitUntil(lambda: page.table.isColumnHidden(place))
    assert cells(page, "digits")["Endpoint"].tip == "Serves digits / 3"


def test_a_new_revision_and_a_new_token_are_found_by_name_the_token_where_one_is_wanted_alone(page, double, qtbot):
    acts = {action.id: action for action in page.actions_here()}
    assert not acts["endpoints.token"].when()
    digits(double, token_required=True)
    qtbot.waitUntil(acts["endpoints.token"].when)
    acts["endpoints.token"].run()
    qtbot.waitUntil(lambda: opened(page, TokenDialog) is not None)
    opened(page, TokenDialog).reject()
    acts["endpoints.revision"].run()
    dialog = opened(page, DeployDialog)
    assert dialog.endpoint.currentData() == "digits"
    dialog.reject()
