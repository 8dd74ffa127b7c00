"""Registries in the settings: the kept list, what ails their stores, and clearing up what was shown and nothing else."""

from dataclasses import replace

import pytest
from pressing import click, opened
from registry_doubles import some_report

from mlops_desk.desk.window.settings.registries import cleanup as cleaning
from mlops_desk.desk.window.settings.registries.cleanup import CleanUpDialog, CleanUpWish
from mlops_desk.desk.window.settings.registries.doctor import words
from mlops_desk.desk.window.settings.registries.view import LoginDialog, RegistryDialog
from mlops_desk.desk.window.settings.registries.words import COLUMNS
from mlops_desk.kit.base.errors import Invalid, Refused, Unavailable
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.machine.records import event as events
from mlops_desk.registry.records.clean_up import CleanUpDone, CleanUpPreview
from mlops_desk.registry.records.doctor import FindingState, StoreFixed
from mlops_desk.registry.records.labels import RunStage
from mlops_desk.registry.records.tracker import Tracker, TrackerKind


@pytest.fixture
def view(start, double, qtbot):
    page = start(double, "settings").window.page()
    page.show_thing("registries")
    qtbot.waitUntil(lambda: page.registries.table.shown_rows() == 4)
    return page.registries


def cell(table, key, title):
    place = [column.title for column in table.records.columns].index(title)
    return table.records.index(table.records.row_of(key), place).data()


def test_each_registry_tells_what_it_is_and_what_keeps_one_from_it(view, qtbot):
    assert cell(view.table, "own", "Name") == "own (default)"
    assert cell(view.table, "old-runs", "State") == "■ can't be read"
    assert cell(view.table, "team", "Login") == "mlflow-team"
    view.table.select("old-runs")
    qtbot.waitUntil(lambda: "The folder is gone. Take it off" in view.trouble_of.whole)
    view.table.select("team")
    qtbot.waitUntil(lambda: cell(view.table, "team", "Runs") == "20,000")
    assert cell(view.table, "team", "Read by") == "its tables"
    assert not view.trouble_of.isVisible()


def test_one_that_is_added_or_meant_elsewhere_shows_while_the_list_is_open(view, double, qtbot):
    double.trackers = [*double.trackers, Tracker("lab", "http://lab:5000", TrackerKind.HTTP)]
    double.announce(events.RegistriesChanged())
    qtbot.waitUntil(lambda: view.table.shown_rows() == 5)
    double.trackers = [replace(one, is_default=one.name == "lab") for one in double.trackers]
    double.announce(events.SettingsChanged(("registry.uri",)))
    qtbot.waitUntil(lambda: cell(view.table, "lab", "Name") == "lab (default)")


def test_a_count_that_is_not_the_whole_says_so_and_is_sorted_by_what_is_sure():
    why = "Its runs were not all counted within 4 s."
    huge = Tracker("huge", "https://h", TrackerKind.HTTP, via="rest", n_models=3, least_runs=12_000, uncounted=why)
    runs, models = (column.cell(huge) for column in COLUMNS if column.key in {"runs", "models"})
    assert (runs.text, runs.sort, runs.tip) == ("at least 12,000", 12_000, why)
    assert models.text == "3"
    neither = next(column.cell(replace(huge, least_runs=None)) for column in COLUMNS if column.key == "runs")
    assert (neither.text, neither.tip) == ("–", why)


def test_one_that_does_not_answer_when_it_is_looked_at_says_so_in_its_row(view, double, qtbot):
    double.failing["registry.show"] = Unavailable("https://mlflow.lab:5000 does not answer.", "Is it up?")
    view.table.select("team")
    qtbot.waitUntil(lambda: cell(view.table, "team", "State") == "■ can't be read")
    assert "does not answer" in view.trouble_of.whole


def test_what_can_be_done_depends_on_what_it_is(view, qtbot):
    view.table.select("own")
    qtbot.waitUntil(lambda: not view.remove.isEnabled())
    assert (view.models.isEnabled(), view.default.isEnabled()) == (True, False)
    view.table.select("sweeps")
    qtbot.waitUntil(view.remove.isEnabled)
    assert not view.models.isEnabled()
    assert not view.clean.isEnabled()


@pytest.mark.slow
def test_a_folder_of_runs_is_copied_into_a_store_after_a_question(view, double, qtbot):
    double.trackers = [*double.trackers, Tracker("mine", "/home/ana/work/mlruns", TrackerKind.FOLDER, via="mlflow")]
    view.look()
    qtbot.waitUntil(lambda: view.table.holds("mine"))
    view.table.select("old-runs")  # a folder that is gone
    qtbot.waitUntil(lambda: not view.migrate.isVisible())
    view.table.select("mine")
    qtbot.waitUntil(view.migrate.isVisible)
    click(qtbot, view.migrate)
    question = opened(view, Confirm)
    said = "".join(label.whole for label in question.findChildren(type(view.trouble_of)))
    assert "The folder stays as it is" in said
    click(qtbot, question.act)
    qtbot.waitUntil(lambda: cell(view.table, "mine", "What it is") == "SQLite store")
    assert cell(view.table, "mine", "Address") == "sqlite:////home/ana/work/mlflow.db"
    qtbot.waitUntil(lambda: not view.migrate.isVisible())
    qtbot.waitUntil(lambda: "1,200 runs and 3 models" in view.window().notices._text.whole)
    assert "1 could not be read and did not come along" in view.window().notices._text.whole
    qtbot.waitUntil(lambda: "What ails this store?" in said_below(view))
    assert "There is no store" not in said_below(view)


def said_below(view):
    return "\n".join(label.whole for label in view.store.findChildren(type(view.trouble_of)) if label.isVisible())


def test_a_registry_is_kept_with_its_login_among_the_secrets(view, double, qtbot):
    click(qtbot, view.keep)
    dialog = opened(view, RegistryDialog)
    click(qtbot, dialog.act)
    assert "needs a name" in dialog.error_text()
    dialog.name.setText("lab")
    dialog.uri.setText("https://lab:5000")
    dialog.login.setText("ana:geheim")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: view.table.holds("lab"))
    assert double.trackers[-1].login == "registry-lab"
    assert double.kept_values["registry-lab"] == "ana:geheim"


def test_a_login_is_forgotten_where_the_registry_is_refused(view, double, qtbot):
    double.failing["registry.add"] = Refused("A registry is kept as team already.")
    click(qtbot, view.keep)
    dialog = opened(view, RegistryDialog)
    dialog.name.setText("team")
    dialog.uri.setText("https://lab:5000")
    dialog.login.setText("ana:geheim")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "already" in dialog.error_text())
    assert "registry-team" not in double.secrets_by_name


def test_one_is_removed_after_a_question_and_another_made_the_default(view, double, qtbot):
    view.table.select("old-runs")
    qtbot.waitUntil(view.default.isEnabled)
    click(qtbot, view.default)
    qtbot.waitUntil(lambda: double.settings_by_key["registry.uri"].value == "old-runs")
    view.table.select("team")
    qtbot.waitUntil(view.default.isEnabled)  # with its login, which goes by its name
    click(qtbot, view.remove)
    question = opened(view, Confirm)
    assert "nothing is changed there" in "".join(label.whole for label in question.findChildren(type(view.trouble_of)))
    click(qtbot, question.act)
    qtbot.waitUntil(lambda: not view.table.holds("team"))


def test_its_models_are_a_press_away(view, qtbot):
    view.table.select("team")
    qtbot.waitUntil(view.models.isEnabled)
    click(qtbot, view.models)
    assert view.window().title_row.title.whole == "Models"
    assert view.context.store.models_uri == "team"


# The doctor.


def test_a_store_is_looked_over_when_somebody_asks_and_the_gravest_comes_first(view, double, qtbot):
    view.table.select("own")
    qtbot.waitUntil(lambda: view.store.state._act.text() == "Look it over")
    assert double.examined == []
    click(qtbot, view.store.state._act)
    qtbot.waitUntil(lambda: view.store.findings.shown_rows() == 5)
    assert double.examined == ["own"]
    assert view.store.findings.records.index(0, 0).data() == "■ trouble"
    assert "1 trouble to mend" in view.store.says.whole
    assert cell(view.store.sizes, "2", "Files") == "elsewhere"
    assert "reads every metric again" in view.store.about.whole


def test_a_fix_says_that_there_is_a_copy_first_and_what_it_costs(view, double, qtbot):
    view.table.select("own")
    qtbot.waitUntil(lambda: view.store.state._act.text() == "Look it over")
    view.store.examine()
    qtbot.waitUntil(view.store.fix.isEnabled)
    click(qtbot, view.store.fix)
    question = opened(view, Confirm)
    text = "".join(label.whole for label in question.findChildren(type(view.trouble_of)))
    assert "copied first" in text
    assert "about 3 s" in text
    assert double.fixed == []
    click(qtbot, question.act)
    qtbot.waitUntil(lambda: double.fixed == [("analyze", "own")])
    qtbot.waitUntil(lambda: cell(view.store.findings, "statistics", "State") == "● fine")


def test_a_store_behind_a_server_is_not_looked_over_from_here(view, qtbot):
    view.table.select("team")
    qtbot.waitUntil(lambda: "no store to look over" in view.store.state._title.whole)
    view.store.examine()
    assert not view.store.fix.isEnabled()


def test_what_is_fine_or_has_no_fix_is_not_offered_one(view, qtbot):
    view.table.select("own")
    qtbot.waitUntil(lambda: view.store.state._act.text() == "Look it over")
    view.store.examine()
    qtbot.waitUntil(lambda: view.store.findings.shown_rows() == 5)
    for key in ("index", "orphans"):
        view.store.findings.select(key)
        assert not view.store.fix.isEnabled()
    view.store.findings.select("deleted")
    assert view.store.fix.isEnabled()


def test_a_store_that_can_not_be_looked_over_says_why(view, double, qtbot):
    double.failing["registry.doctor"] = Unavailable("The store is locked.")
    view.table.select("own")
    qtbot.waitUntil(lambda: view.store.state._act.text() == "Look it over")
    view.store.examine()
    qtbot.waitUntil(lambda: "locked" in view.store.state._text.whole)


def test_the_whole_is_as_bad_as_its_worst_part_and_a_foreign_store_is_said_to_be_one():
    report = some_report()
    fine = replace(report, findings=tuple(replace(one, state=FindingState.OK) for one in report.findings))
    assert words.sentence(fine)[0].startswith("● Everything is fine")
    foreign = words.sentence(replace(report, is_ours=False))[0]
    assert "nothing of it is ever upgraded" in foreign
    assert "others may be at work" in words.loss(report.findings[0], is_ours=False)
    assert "/b.db" in words.done(StoreFixed("x", "Done.", "/b.db", 2.0))
    assert "copy" not in words.done(StoreFixed("x", "Done.", None, 2.0))


# Cleaning up.


@pytest.fixture
def dialog(view, qtbot):
    view.table.select("own")
    qtbot.waitUntil(view.clean.isEnabled)
    click(qtbot, view.clean)
    return opened(view, CleanUpDialog)


def wish(dialog):
    dialog.name.setText("churn")
    dialog.best.setCurrentIndex(dialog.best.findData(3))
    dialog.best.activated.emit(0)
    dialog.measure.setText("auc")


def test_nothing_is_looked_for_before_it_is_said_what(dialog, double, qtbot):
    assert "Name one of them" in dialog.says.whole
    dialog.name.setText("churn")
    assert "Every run would be meant." in dialog.says.whole
    dialog.best.setCurrentIndex(2)
    dialog.best.activated.emit(2)
    assert "by which metric" in dialog.says.whole
    assert double.cleanups == []
    assert not dialog.act.isEnabled()


@pytest.mark.slow
def test_what_would_go_is_shown_with_what_keeps_the_rest_and_only_that_goes(dialog, double, qtbot):
    wish(dialog)
    qtbot.waitUntil(lambda: dialog.going.shown_rows() == 8)
    assert double.cleanups == [("churn", None, 3, "auc", None, False, "own")]
    assert dialog.staying.records.index(0, 1).data() == "digits/3, champion"
    assert "8 runs would go. A purge then frees at least 36\u202fMiB, and of 1 it is not known." in dialog.says.whole
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.cleaned == ["t1"])


@pytest.mark.slow
def test_what_went_comes_back_by_undo_in_the_registry_it_went_from(dialog, double, qtbot):
    offers, said = [], []
    dialog._context.offered.connect(lambda *words: offers.append(words))
    dialog._context.said.connect(lambda *words: said.append(words))
    double.deleted_runs = {run: double.run_registry._runs.pop(run) for run in list(double.run_registry._runs)[:2]}
    double.way_back = " ".join(double.deleted_runs)
    wish(dialog)
    qtbot.waitUntil(dialog.act.isEnabled)
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: bool(offers))
    text, act, do = offers[0]
    assert text == "8 runs went. Runs can be brought back until they are purged."
    assert act == "Undo"
    do()
    qtbot.waitUntil(lambda: said == [("info", "2 runs are there again.")])
    assert double.deleted_runs == {}


@pytest.mark.slow
def test_what_can_not_come_back_offers_no_way_back(dialog, double, qtbot):
    offers, said = [], []
    dialog._context.offered.connect(lambda *words: offers.append(words))
    dialog._context.said.connect(lambda *words: said.append(words))
    double.way_back = None
    wish(dialog)
    qtbot.waitUntil(dialog.act.isEnabled)
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: bool(said))
    assert offers == []


@pytest.mark.slow
def test_what_has_changed_since_is_not_taken_and_is_shown_anew(dialog, double, qtbot):
    wish(dialog)
    qtbot.waitUntil(dialog.act.isEnabled)
    double.cleanup = replace(double.cleanup, token="t2", going=double.cleanup.going[:2])
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "changed since" in dialog.trouble.whole)
    assert double.cleaned == []
    qtbot.waitUntil(lambda: dialog.going.shown_rows() == 2)
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.cleaned == ["t2"])


@pytest.mark.slow
def test_another_wish_forgets_what_was_shown_at_once(dialog, qtbot):
    wish(dialog)
    qtbot.waitUntil(dialog.act.isEnabled)
    dialog.measure.setText("loss")
    assert not dialog.act.isEnabled()
    assert dialog.going.shown_rows() == 0


def test_versions_are_asked_for_without_what_counts_for_runs(dialog, double, qtbot):
    dialog.of.setCurrentIndex(1)
    dialog.of.activated.emit(1)
    dialog.name.setText("digits")
    qtbot.waitUntil(lambda: double.cleanups == [(None, "digits", None, None, None, False, "own")])
    assert not dialog.best.isVisible()


@pytest.mark.parametrize(
    "asked", [CleanUpWish(), CleanUpWish(experiment="a"), CleanUpWish(experiment="a", keep_best=3)]
)
def test_a_wish_that_means_everything_or_can_not_be_told_is_none(asked):
    with pytest.raises(Invalid):
        asked.checked()


def test_what_went_and_what_would_go_is_said_in_full():
    assert cleaning.sentence(CleanUpPreview("t", ())) == "Nothing would go."
    assert cleaning.went(CleanUpDone(2, 1, "u")) == (
        "2 runs and 1 version went. Runs can be brought back until they are purged."
    )
    assert cleaning.went(CleanUpDone(0, 0)) == "Nothing went."
    back = RunStage("a", None, is_deleted=False, changed=True)
    gone = RunStage("b", None, is_deleted=None, problem="It was purged.")
    assert cleaning.came_back([back]) == ("info", "1 run is there again.")
    assert cleaning.came_back([back, gone, gone]) == (
        "warning",
        "1 run is there again. 2 runs stayed away: It was purged.",
    )


# Logging in.


def test_another_login_is_put_in_the_place_of_the_one_that_is_kept(view, double, qtbot):
    view.table.select("team")
    qtbot.waitUntil(view.log_in.isVisible)
    click(qtbot, view.log_in)
    dialog = opened(view, LoginDialog)
    click(qtbot, dialog.act)
    assert "There is no login" in dialog.error_text()
    dialog.login.setText("ana:new")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: cell(view.table, "team", "Login") == "registry-team")
    assert double.kept_values["registry-team"] == "ana:new"


def test_a_login_that_is_refused_is_told_in_the_dialog(view, double, qtbot):
    double.refused_logins["team"] = "The server lets nobody in by this login."
    view.table.select("team")
    qtbot.waitUntil(view.log_in.isVisible)
    view.ask_login()
    dialog = opened(view, LoginDialog)
    dialog.login.setText("wrong")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "lets nobody in" in dialog.error_text())
    assert dialog.isVisible()


@pytest.mark.parametrize("name", ["own", "old-runs"])
def test_what_asks_for_no_login_is_offered_none(view, qtbot, name):
    view.table.select(name)
    qtbot.wait(20)
    assert not view.log_in.isVisible()
