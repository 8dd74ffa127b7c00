"""Five things that people do, in a real window on a real agent and a real engine, by keys and clicks: submit a job and
follow it, deploy a model and promote its next revision, approve a retraining, begin a monitor, write a rule.

What came of each is asked of the agent by the command line, and a picture of the window is left after each.
"""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QDialog, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from mlops_desk.automation.window.rules.acts import AutomationDialog
from mlops_desk.desk.window.app import Program
from mlops_desk.desk.window.frame.palette import CommandPalette
from mlops_desk.drift.window.monitors.form import MonitorDialog
from mlops_desk.jobs.window.form.submit_form import SubmitDialog
from mlops_desk.kit.api.client import connect
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.window.live.context import UiOptions
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.parts.approval_form import WordDialog
from mlops_desk.kit.window.parts.yaml_editor import YamlEditor
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.serving.window.deploy_form import DeployDialog, TokenDialog
from tests.end2end.desk import PATIENCE_SECONDS, Desk, iris_project

pytestmark = [
    pytest.mark.end2end, pytest.mark.engine, pytest.mark.qt_log_ignore("This plugin does not support"),
]  # fmt: skip

SPEC = """
apiVersion: mlops-desk/v1
kind: Job
name: train-iris
image: {image}
command: [python3, /code/train_iris.py, "1.0"]
env: {{OMP_NUM_THREADS: "1"}}
resources: {{gpus: 0, cpus: 2, memory: 2GiB}}
mounts:
  - {{source: {folder}/code, target: /code, mode: ro}}
  - {{source: {folder}/data, target: /data, mode: ro}}
mlflow: {{experiment: iris}}
"""
RULE = """apiVersion: mlops-desk/v1
kind: Rule
name: full-memory
when: {metric: system.memory.usage, device: host, above: 1000000000000000}
for: 10m
then: [{alert: warning}]
"""

Found = TypeVar("Found", bound=QWidget)


class Person:
    """Sits before a window: types, clicks, and waits for what is to be seen."""

    def __init__(self, program: Program, qtbot: QtBot, pictures: Path) -> None:
        self.program = program
        self.window = program.window
        self._qtbot = qtbot
        self._pictures = pictures

    def until(self, what: Callable[[], Any]) -> None:
        """Look until something is so; only a test that fails looks for as long as this."""
        self._qtbot.waitUntil(lambda: bool(what()), timeout=int(1000 * PATIENCE_SECONDS))

    def write(self, field: QWidget, text: str) -> None:
        """Put text into a field in the place of what is there, letter by letter."""
        QTest.mouseClick(field, Qt.MouseButton.LeftButton)
        field.setFocus()
        QTest.keyClick(field, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
        QTest.keyClicks(field, text)

    def paste(self, field: QWidget, text: str) -> None:
        """Put text of several lines into an editor, as from elsewhere."""
        QApplication.clipboard().setText(text)
        field.setFocus()
        QTest.keyClick(field, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
        QTest.keyClick(field, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)

    def click(self, button: QWidget) -> None:
        """Click what can be clicked, once it can."""
        self.until(lambda: button.isVisible() and button.isEnabled())
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def choose(self, box: QComboBox, text: str) -> None:
        """Choose an entry by typing what it begins with."""
        self.until(lambda: box.isEnabled() and box.findText(text, Qt.MatchFlag.MatchStartsWith) >= 0)
        box.setFocus()
        QTest.keyClicks(box, text)
        self.until(lambda: box.currentText().startswith(text))

    def command(self, words: str) -> None:
        """Do what the palette finds first by these words."""
        self.window.activateWindow()  # no window manager does it here after a dialog
        self.until(self.window.isActiveWindow)
        QTest.keyClick(self.window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
        field = self.dialog(CommandPalette).findChild(QLineEdit)
        QTest.keyClicks(field, words)
        QTest.keyClick(field, Qt.Key.Key_Return)

    def turn(self, tabs: Tabs, title: str) -> None:
        """Click the tab with this title."""
        self.click(next(one for one in tabs.findChildren(Button) if one.text().startswith(title)))

    def dialog(self, kind: type[Found]) -> Found:
        """Return the dialog that is open."""

        def there() -> list[Found]:
            return [one for one in self.window.findChildren(kind) if one.isVisible()]

        self.until(there)
        return there()[0]

    def endpoint(self, name: str) -> Any:
        """Return an endpoint as the window knows it once it does."""
        endpoints = self.program.store.endpoints
        self.until(lambda: name in endpoints.value)
        return endpoints.value[name]

    def closed(self, dialog: QDialog, of: str) -> None:
        """Wait until a dialog is done with; what it says is wrong fails the test."""
        self.until(lambda: not _is_open(dialog) or _fault(dialog))
        assert not _is_open(dialog) or not _fault(dialog), f"{of}: {_fault(dialog)}"

    def button(self, title: str) -> Button:
        """Return the button with this title that is seen."""

        def there() -> list[Button]:
            return [one for one in self.window.findChildren(Button) if one.isVisible() and one.text() == title]

        self.until(there)
        return there()[0]

    def picture(self, name: str) -> None:
        QApplication.processEvents()
        assert self.window.grab().save(str(self._pictures / f"{name}.png"))


def _is_open(dialog: QDialog) -> bool:
    try:
        return dialog.isVisible()
    except RuntimeError:  # Qt has deleted it by now
        return False


def _fault(dialog: QDialog) -> str:
    error = getattr(dialog, "_error", None)
    return error.whole if error is not None and error.isVisible() else ""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's project: code, data, and fresh data that has moved."""
    return iris_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, serving: dict[str, str]) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk") / "data")
    for key, value in {"jobs.mount_roots": "~ /tmp", **serving}.items():
        desk.json("settings", "set", key, value)
    yield desk
    for endpoint in desk.json("endpoints", "list"):
        desk.json("endpoints", "remove", endpoint["name"])
    desk.stop()


@pytest.fixture(scope="module")
def program(desk: Desk, tmp_path_factory: pytest.TempPathFactory, qapp: QApplication) -> Iterator[Program]:
    """One window for all of it, as large as on a small screen."""
    folder = str(tmp_path_factory.mktemp("window"))
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
    address = AgentAddress.of_folder(desk.folder)
    program = Program(qapp, lambda given_up: connect(address, given_up=given_up), UiOptions(address))
    program.start()
    program.window.resize(1400, 900)
    yield program
    program.stop()
    program.window.close()
    program.window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    qapp.processEvents()


@pytest.fixture
def model(desk: Desk, project: Path, training_image: str) -> None:
    """A model is registered: by the journey that comes first, or by the command line where that was not begun."""
    if desk.json("models", "list"):
        return
    file = project / "job.yaml"
    file.write_text(SPEC.format(image=training_image, folder=project))
    job = desk.json("jobs", "submit", str(file))
    desk.wait(lambda: desk.json("jobs", "show", job["id"]), lambda one: one["state"] == "succeeded")
    desk.json("models", "alias", "iris", "champion", "--version", "1")


@pytest.fixture
def endpoint(desk: Desk, model: None) -> None:
    """The model answers, likewise."""
    if not desk.json("endpoints", "list"):
        desk.json("endpoints", "deploy", "iris/1", "--name", "flowers", timeout=600)


@pytest.fixture
def person(program: Program, qtbot: QtBot, tmp_path: Path) -> Person:
    person = Person(program, qtbot, tmp_path)
    person.until(lambda: program.store.status is not None and program.store.jobs.value is not None)
    return person


def test_a_job_is_submitted_and_followed_to_its_end(
    desk: Desk, person: Person, project: Path, training_image: str
) -> None:
    person.command("new job")
    form = person.dialog(SubmitDialog)
    person.paste(form.findChild(YamlEditor), SPEC.format(image=training_image, folder=project))
    person.until(lambda: form.name() == "train-iris")
    QTest.keyClick(form, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    person.closed(form, "submit")
    page: Any = person.window.page()
    (job,) = desk.json("jobs", "list")
    assert (job["name"], page.table.key()) == ("train-iris", job["id"])

    person.turn(page.pane.tabs, "Output")
    person.until(lambda: "accuracy" in page.pane.view("output").log.text())
    person.until(lambda: person.program.store.jobs.value[job["id"]].state == "succeeded")
    person.picture("job")
    done = desk.json("jobs", "show", job["id"])
    assert (done["state"], done["exit_code"]) == ("succeeded", 0)
    assert [one["name"] for one in desk.json("models", "list")] == ["iris"]


def test_a_model_is_deployed_and_its_next_revision_is_promoted(desk: Desk, person: Person, model: None) -> None:
    desk.json("models", "alias", "iris", "champion", "--version", "1")
    person.command("deploy a model")
    form = person.dialog(DeployDialog)
    person.choose(form.version, "@champion")
    person.write(form.name, "flowers")
    person.click(form.act)
    person.closed(form, "deploy")
    token = person.dialog(TokenDialog)
    person.click(token.leave)
    page: Any = person.window.page()
    person.until(lambda: person.endpoint("flowers").state == "live")
    assert desk.json("endpoints", "show", "flowers")["revision"] == 1

    person.click(person.button("New revision …"))
    form = person.dialog(DeployDialog)
    person.until(lambda: form.version.currentText().startswith("@champion"))
    person.choose(form.start, "As a canary")
    person.click(form.act)
    person.closed(form, "deploy again")
    person.until(page.pane.rollout.isVisible)
    person.picture("canary")
    on_its_way = desk.json("endpoints", "show", "flowers")
    assert (on_its_way["revision"], on_its_way["rollout"]["revision"]) == (1, 2)
    assert on_its_way["traffic"] == {"1": 0.95, "2": 0.05}
    person.click(page.pane.rollout.promote)
    person.until(lambda: person.endpoint("flowers").revision == 2)
    person.picture("promoted")
    live = desk.json("endpoints", "show", "flowers")
    assert (live["revision"], live["rollout"], live["traffic"]) == (2, None, {"2": 1.0})


def test_a_monitor_is_begun(desk: Desk, person: Person, endpoint: None) -> None:
    person.command("new monitor")
    form = person.dialog(MonitorDialog)
    person.write(form.name, "flowers-by-hand")
    person.choose(form.watched, "Requests of endpoint flowers")
    person.click(form.act)
    person.closed(form, "monitor")
    person.picture("monitor")
    told = {one["monitor"]["name"]: one["monitor"] for one in desk.json("drift", "monitors", "list")}
    assert told["flowers-by-hand"]["endpoint"] == "flowers"
    person.until(
        lambda: "flowers-by-hand" in {one.monitor.name for one in person.program.store.monitors.value.values()}
    )


def test_a_rule_is_written(desk: Desk, person: Person) -> None:
    person.command("new rule")
    form = person.dialog(AutomationDialog)
    person.paste(form.text, RULE)
    person.until(lambda: form.form.name() == "full-memory" and form.says.whole.startswith("●"))
    person.picture("rule-form")
    QTest.keyClick(form, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    person.closed(form, "rule")
    person.until(lambda: person.window.page().tabs.current() == "rules")
    person.picture("rule")
    rule = next(one for one in desk.json("rules", "list") if one["name"] == "full-memory")
    assert (rule["enabled"], rule["missing"]) == (True, [])
    assert "system.memory.usage" in rule["document"]


def test_a_retraining_is_approved(desk: Desk, person: Person, project: Path, model: None) -> None:
    rows = "--test", str(project / "data" / "iris.csv"), "--newest", str(project / "fresh" / "iris.csv")
    more = "--metric", "accuracy", "--label", "species", "--delta", "0.05"
    desk.json("rules", "create", "keep-fresh", "--model", "iris", *more, *rows)
    begun = desk.json("rules", "fire", "keep-fresh", "--data", f"/data={project / 'fresh'}")
    person.command("go to automations")
    page: Any = person.window.page()
    person.turn(page.tabs, "Approvals")
    tab = page.panel()
    person.until(lambda: tab.list.key() == begun["id"])
    assert desk.json("models", "list")[0]["aliases"]["champion"] == "1", "nothing moves before a person says so"
    person.picture("asked")
    tab.list.setFocus()
    QTest.keyClick(tab.list, Qt.Key.Key_A)
    form = person.dialog(WordDialog)
    person.write(form.why, "better on the newest rows")
    person.click(form.act)
    person.until(lambda: not _is_open(form) and not person.program.store.part(Topic.APPROVALS).value)
    done = desk.wait(lambda: desk.json("pipelines", "show", begun["id"]), lambda run: run["state"] != "running")
    assert done["state"] == "promoted", done["text"]
    assert desk.json("models", "list")[0]["aliases"] == {"champion": "2", "challenger": "2"}
    person.picture("approved")
