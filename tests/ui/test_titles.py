"""The buttons of the title row, as a mouse meets them: what they start lives as long as they do."""

import ast
import gc
import importlib
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog

import mlops_desk
from mlops_desk.desk.window.catalogue import PAGES
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.widgets.button import Button

PACKAGE = Path(mlops_desk.__file__).parent


def title_buttons(program):
    """Return the page's own buttons: those that the shown page has put into the title row."""
    acts = program.window.title_row._acts
    widgets = [acts.itemAt(place).widget() for place in range(acts.count())]
    return [widget for widget in widgets if isinstance(widget, Button)]


def dialogs(window):
    return [dialog for dialog in window.findChildren(QDialog) if dialog.isVisible()]


@pytest.mark.parametrize("page", [spec.id for spec in PAGES])
def test_every_title_button_does_what_it_says_when_it_is_clicked(start, double, qtbot, page):
    program = start(double, page)
    shown = program.window.page()
    wanted = [action.title for action in shown.actions_here() if "title" in action.places]
    # Nothing but the button may be needed to keep its action: the list it came from is long gone.
    gc.collect()
    assert [button.text() for button in title_buttons(program)] == wanted
    for number in range(len(wanted)):
        QTest.mouseClick(title_buttons(program)[number], Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: len(dialogs(program.window)) == 1 or program.window.page() is not shown)
        if program.window.page() is not shown:  # it leads elsewhere
            program.window.sidebar.choose(page)
            continue
        dialogs(program.window)[0].reject()
        qtbot.waitUntil(lambda: not dialogs(program.window))
        gc.collect()
    assert program.window.page() is shown


def test_a_menu_and_the_window_keep_the_actions_that_they_run(start, double, qtbot):
    ran = []
    program = start(double)
    shown = program.window.page()
    shown.actions_here = lambda: [Action("only.here", "Only here", lambda: ran.append(True))]
    program.window.sidebar.machine.click()
    menu = next(one for one in program.window.sidebar.children() if type(one).__name__ == "QMenu")
    entry = next(one for one in menu.actions() if one.objectName() == "only.here")
    gc.collect()
    [bytearray(200) for _ in range(1000)]
    entry.trigger()
    menu.close()
    assert ran == [True]


def test_only_qt_objects_connect_methods_of_their_own():
    """PySide keeps an object that is not Qt's own by no means: it would be called after it is gone."""
    modules = sorted(path for path in PACKAGE.rglob("*.py") if "window" in path.parts)
    connecting = {path: names for path in modules if (names := connects_own_methods(path))}
    assert len(connecting) > 100, "the search finds them"
    wrong = [f"{path}: {name}" for path, names in connecting.items() for name in names if not is_qt_object(path, name)]
    assert not wrong


def connects_own_methods(path):
    """Return the classes at the top of a module that connect a signal to a method of their own."""
    text = path.read_text(encoding="utf-8")
    if "connect(" not in text:
        return []
    classes = (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef))
    return [made.name for made in classes if any(_connects_own_method(node) for node in ast.walk(made))]


def is_qt_object(path, name):
    """Tell whether a class of a module is one of Qt's."""
    module = importlib.import_module(".".join(("mlops_desk", *path.relative_to(PACKAGE).with_suffix("").parts)))
    return issubclass(getattr(module, name), QObject)


def _connects_own_method(node):
    return (
        isinstance(node, ast.Call)
        and getattr(node.func, "attr", None) == "connect"
        and bool(node.args)
        and ast.unparse(node.args[0]).startswith("self.")
    )


def test_the_search_finds_who_connects_own_methods(tmp_path):
    path = tmp_path / "one.py"
    path.write_text(
        "class Own:\n    def __init__(self):\n        self.timer.timeout.connect(self.beat)\n"
        "class Other:\n    def __init__(self):\n        self.timer.timeout.connect(print)\n"
    )
    assert connects_own_methods(path) == ["Own"]
