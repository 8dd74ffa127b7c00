"""Files of a run or a version: a folder at a time, what a file holds in the form that fits it, nothing interpreted."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QBuffer, QIODevice, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication, QImage, QTextTable

from mlops_desk.kit.base.errors import NotFound, Unavailable
from mlops_desk.kit.window.parts.artifacts import preview
from mlops_desk.kit.window.parts.artifacts.lines import LINE_SHOWN, LINES_SHOWN, shown
from mlops_desk.kit.window.parts.artifacts.markdown import MarkedPiece, blocks
from mlops_desk.kit.window.parts.artifacts.pane import SHOWN, ArtifactsPane
from mlops_desk.kit.window.parts.artifacts.preview import decoded
from mlops_desk.kit.window.parts.artifacts.prose import ProseView
from mlops_desk.kit.window.parts.artifacts.source import ArtifactSource
from mlops_desk.kit.window.tables.view import as_text
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.registry.records.artifact_view import ArtifactTable, ArtifactView
from mlops_desk.registry.records.model import Artifact
from mlops_desk.registry.records.version_hit import VersionHit
from mlops_desk.registry.window.models.detail.pane import source_of
from mlops_desk.registry.window.runs.detail_area import files_of

TREE = {
    "": [Artifact("plots", is_folder=True), Artifact("MLmodel", size_bytes=812), Artifact("a.csv", size_bytes=90),
         Artifact("model.pkl", size_bytes=1 << 20)],
    "plots": [Artifact("plots/roc.png", size_bytes=4096), Artifact("plots/deep", is_folder=True)],
    "plots/deep": [],
}  # fmt: skip
VIEWS = {
    "MLmodel": ArtifactView("MLmodel", "code", 812, "flavors:\n  sklearn: {}\n", "YAML", sha256="ab" * 32),
    "a.csv": ArtifactView("a.csv", "table", 90, table=ArtifactTable(("x", "y"), (("2", "b"), ("10", None)), 4000)),
    "model.pkl": ArtifactView("model.pkl", "pickle", 1 << 20, listing=("os.system", "builtins.eval")),
    "plots/roc.png": ArtifactView("plots/roc.png", "image", 4096, problem="The picture is damaged."),
}


class Files:
    """Answers, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.tree, self.views = dict(TREE), dict(VIEWS)
        self.listed: list[str] = []
        self.seen: list[str] = []
        self.saved: list[tuple[str, str]] = []
        self.trouble: dict[str, Exception] = {}

    def source(self, key: str = "r1") -> ArtifactSource:
        return ArtifactSource(key, "run calm-owl", self.files, self.view, self.save)

    def files(self, _desk, path):
        self.listed.append(path)
        if path in self.trouble:
            raise self.trouble[path]
        return self.tree[path]

    def view(self, _desk, path):
        self.seen.append(path)
        if path in self.trouble:
            raise self.trouble[path]
        return self.views[path]

    def save(self, _desk, path, folder):
        self.saved.append((path, folder))
        return f"{folder}/{path}"


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def pane(start, double, qtbot, files):
    context = start(double).context
    made = ArtifactsPane(context)
    qtbot.addWidget(made)
    made.resize(900, 500)
    made.show()
    made.show_source(files.source())
    qtbot.waitUntil(lambda: made.tree.topLevelItemCount() == 4)
    return made


def item(tree, path):
    found = tree.findItems("*", Qt.MatchFlag.MatchWildcard | Qt.MatchFlag.MatchRecursive)
    return next(one for one in found if one.data(0, Qt.ItemDataRole.UserRole) == path)


def test_a_folder_is_asked_for_when_it_is_opened_and_only_then(pane, files, qtbot):
    assert files.listed == [""]
    pane.tree.expandItem(item(pane.tree, "plots"))
    qtbot.waitUntil(lambda: item(pane.tree, "plots").childCount() == 2)
    assert files.listed == ["", "plots"]
    assert [item(pane.tree, "plots").child(n).text(0) for n in range(2)] == ["deep", "roc.png"]
    pane.tree.expandItem(item(pane.tree, "plots/deep"))
    qtbot.waitUntil(lambda: item(pane.tree, "plots/deep").child(0).text(0) == "This folder is empty.")
    pane.tree.collapseItem(item(pane.tree, "plots"))
    pane.tree.expandItem(item(pane.tree, "plots"))
    qtbot.wait(30)
    assert files.listed == ["", "plots", "plots/deep"]


def test_a_folder_that_can_not_be_listed_says_why_and_is_asked_for_anew(pane, files, qtbot):
    files.trouble["plots"] = Unavailable("The store does not answer.")
    pane.tree.expandItem(item(pane.tree, "plots"))
    qtbot.waitUntil(lambda: "does not answer" in item(pane.tree, "plots").child(0).text(0))
    files.trouble.clear()
    pane.tree.collapseItem(item(pane.tree, "plots"))
    pane.tree.expandItem(item(pane.tree, "plots"))
    qtbot.waitUntil(lambda: item(pane.tree, "plots").childCount() == 2)


def test_what_tells_of_the_model_is_shown_first(pane, files, qtbot):
    qtbot.waitUntil(pane.preview.lines.isVisible)
    assert files.seen == ["MLmodel"]
    assert pane.preview.lines.toPlainText() == "flavors:\n  sklearn: {}\n"
    assert pane.preview.caption.whole == "YAML · 812\u202fB · sha256 abababababab…"
    assert pane.preview.lines.gutter_width() > 16


def test_who_goes_through_the_files_asks_for_the_one_where_they_rest(pane, files, qtbot):
    qtbot.waitUntil(lambda: files.seen == ["MLmodel"])
    for path in ("a.csv", "model.pkl", "a.csv"):
        pane.tree.setCurrentItem(item(pane.tree, path))
    qtbot.waitUntil(pane.preview.grid.isVisible)
    assert files.seen == ["MLmodel", "a.csv"]
    table = pane.preview.grid.table
    table.sort_by(0, Qt.SortOrder.AscendingOrder)
    assert as_text(table._visible(range(2))) == "2\tb\n10\tmissing"
    assert [column.right for column in table.records.columns] == [True, False]
    assert pane.preview.rest.whole == "The first 2 of 4,000 rows. Save it to have all."


def test_a_pickle_is_listed_and_warned_of(pane, qtbot):
    pane.tree.setCurrentItem(item(pane.tree, "model.pkl"))
    qtbot.waitUntil(lambda: "os.system" in pane.preview.lines.toPlainText())
    assert pane.preview.warning.isVisible()
    assert "runs code" in pane.preview.warning.whole
    assert pane.preview.lines.gutter_width() < 16


def test_a_file_that_can_not_be_shown_says_so_and_another_is_shown_after_it(pane, files, qtbot):
    files.trouble["model.pkl"] = NotFound("It is gone.", "Look again.")
    pane.tree.setCurrentItem(item(pane.tree, "model.pkl"))
    qtbot.waitUntil(lambda: "It is gone." in pane.preview.state._text.whole)
    assert not pane.preview.warning.isVisible()
    pane.tree.setCurrentItem(item(pane.tree, "MLmodel"))
    qtbot.waitUntil(pane.preview.lines.isVisible)


def test_a_picture_that_is_none_says_what_the_agent_said(pane, files, qtbot):
    pane.tree.expandItem(item(pane.tree, "plots"))
    qtbot.waitUntil(lambda: item(pane.tree, "plots").childCount() == 2)
    pane.tree.setCurrentItem(item(pane.tree, "plots/roc.png"))
    qtbot.waitUntil(lambda: pane.preview.state._text.whole == "The picture is damaged.")


def test_no_files_and_files_that_can_not_be_listed_are_different_states(pane, files, qtbot):
    files.tree[""] = []
    pane.show_source(files.source("r2"))
    qtbot.waitUntil(lambda: pane.state._title.whole == "No files yet")
    files.trouble[""] = Unavailable("The server is down.", "Start it.")
    pane.show_source(files.source("r3"))
    qtbot.waitUntil(lambda: pane.state._title.whole == "The files can't be listed")
    files.trouble.clear()
    files.tree[""] = TREE[""]
    pane.state._act.click()
    qtbot.waitUntil(lambda: pane.tree.topLevelItemCount() == 4)
    qtbot.waitUntil(pane.tree.isVisible)


def test_the_same_source_again_leaves_what_is_open(pane, files, qtbot):
    pane.tree.expandItem(item(pane.tree, "plots"))
    qtbot.waitUntil(lambda: item(pane.tree, "plots").childCount() == 2)
    pane.show_source(files.source())
    assert item(pane.tree, "plots").isExpanded()
    assert files.listed == ["", "plots"]


def test_a_folder_of_very_many_files_shows_the_first_and_says_how_many_more(pane, files, qtbot):
    files.tree["plots"] = [Artifact(f"plots/{n:05d}", size_bytes=n) for n in range(SHOWN + 5)]
    pane.tree.expandItem(item(pane.tree, "plots"))
    qtbot.waitUntil(lambda: item(pane.tree, "plots").childCount() == SHOWN + 1)
    assert item(pane.tree, "plots").child(SHOWN).text(0) == "… and 5 more"


def test_what_is_saved_is_said_with_a_way_to_its_folder(pane, files, qtbot, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    said = []
    pane._context.offered.connect(lambda text, act, do: said.append((text, act, do)))
    pane.write("MLmodel", str(tmp_path))
    qtbot.waitUntil(lambda: bool(said))
    assert said[0][:2] == (f"Saved as {tmp_path}/MLmodel.", "Show in files")
    said[0][2]()
    assert opened == [str(tmp_path)]
    pane.copy.click()
    assert QGuiApplication.clipboard().text() == "MLmodel"


# Prose.


def kinds(text: str) -> list[tuple[str, str]]:
    return [(block.kind, "".join(piece.text for piece in block.pieces)) for block in blocks(text)]


def test_markdown_becomes_blocks_that_have_looks_and_no_markup():
    text = (
        "# Churn\n\nTrained on *clean* data,\nwith **care** and `lr=0.1`.\n\n- one\n  2. two\n\n> said\n\n"
        "```python\nx = **1**\n```\n| a | b |\n---\n[docs](https://x.org/a) ![plot](plot.png) <b>raw</b>\n"
    )
    assert kinds(text) == [
        ("heading", "Churn"),
        ("text", "Trained on clean data, with care and lr=0.1."),
        ("bullet", "• one"),
        ("bullet", "2. two"),
        ("quote", "said"),
        ("code", "x = **1**"),
        ("code", "| a | b |"),
        ("rule", ""),
        ("text", "docs [picture: plot] <b>raw</b>"),
    ]
    looks = {piece.text: piece.look for block in blocks(text) for piece in block.pieces}
    assert (looks["clean"], looks["care"], looks["lr=0.1"], looks["docs"]) == ("slanted", "bold", "code", "link")
    assert [block.level for block in blocks(text) if block.kind == "bullet"] == [0, 1]


def words_of(table) -> list[list[str]]:
    return [["".join(piece.text for piece in cell) for cell in line] for line in table.rows]


TABLE = (
    "Scores:\n| metric | v1 | v2 |\n|:--|--:|:-:|\n| auc | 0.91 | **0.93** |\n|a \\| b | `x`\n"
    "no pipe\n| 1 | 2 | 3 | 4 |\n\nafter"
)


def test_a_table_is_cells_with_looks_and_each_column_stands_as_it_was_said():
    before, table, after = blocks(TABLE)
    assert (before.kind, table.kind, after.kind) == ("text", "table", "text")
    assert table.stands == ("left", "right", "middle")
    assert words_of(table) == [
        ["metric", "v1", "v2"], ["auc", "0.91", "0.93"], ["a | b", "x", ""], ["no pipe", "", ""], ["1", "2", "3"],
    ]  # fmt: skip
    assert (table.rows[1][2][0].look, table.rows[2][1][0].look) == ("bold", "code")


@pytest.mark.parametrize("text", ["| a | b |\n|---|", "a | b\n---", "| a | b |\nmore", "| a |", "|a|b|\n|-|x|"])
def test_what_only_looks_like_a_table_stays_as_it_was_written(text):
    assert all(block.kind != "table" for block in blocks(text))


def test_of_a_long_table_what_is_not_laid_out_is_shown_as_written():
    whole = [*blocks("|a|b|\n|-|-|\n" + "|1|2|\n" * 500)]
    (table,) = [block for block in whole if block.kind == "table"]
    assert len(table.rows) == 150
    assert len(whole) == 1 + 351
    assert {block.kind for block in whole[1:]} == {"code"}
    wide = "|" + "a|" * 21 + "\n|" + "-|" * 21 + "\n"
    assert all(block.kind == "code" for block in blocks(wide))


def test_tasks_have_boxes_and_what_is_struck_is_struck():
    assert kinds("- [x] done\n- [ ] open\n1. [X] third\n- [y] no task") == [
        ("bullet", "☑ done"), ("bullet", "☐ open"), ("bullet", "1. ☑ third"), ("bullet", "• [y] no task"),
    ]  # fmt: skip
    (block,) = blocks("a ~~b~~ ~c~")
    assert [(piece.text, piece.look) for piece in block.pieces] == [
        ("a ", "plain"), ("b", "struck"), (" ~c~", "plain"),
    ]  # fmt: skip


def test_a_table_is_laid_out_as_one_and_a_text_of_any_length_comes_whole_a_part_at_a_time(qtbot):
    view = ProseView("What the file says")
    qtbot.addWidget(view)
    view.show()
    view.show_blocks(blocks(TABLE))
    (table,) = [one for one in view.document().rootFrame().childFrames() if isinstance(one, QTextTable)]
    assert (table.rows(), table.columns()) == (5, 3)
    assert table.cellAt(1, 2).firstCursorPosition().block().text() == "0.93"
    assert table.cellAt(1, 1).firstCursorPosition().blockFormat().alignment() is Qt.AlignmentFlag.AlignRight
    view.show_blocks(blocks("*a* b\n\n" * 900))
    assert view.toPlainText().count("a b") < 900
    qtbot.waitUntil(lambda: view.toPlainText().count("a b") == 900)
    assert view.verticalScrollBar().maximum() > 0
    assert (view.verticalScrollBar().value(), view.textCursor().position()) == (0, 0), "one reads from the beginning"
    view.show_blocks(blocks("*a* b\n\n" * 900))
    view.show_blocks(blocks("another"))
    qtbot.wait(50)
    assert view.toPlainText() == "another", "what was still to come of the one before stays away"


def test_nothing_that_a_text_names_is_loaded(qtbot, tmp_path):
    picture = tmp_path / "x.png"
    picture.write_bytes(png(4, 4))
    view = ProseView("What the file says")
    qtbot.addWidget(view)
    view.show_blocks(blocks(f"![x]({picture}) <img src='{picture}'>\n\n|![y]({picture})|\n|-|-|"))
    assert "[picture: x] <img src=" in view.toPlainText()
    assert view.loadResource(2, QUrl.fromLocalFile(str(picture))) is None


def test_a_link_is_what_was_written_and_a_bare_address_is_one():
    (block,) = blocks("see [the docs](https://x.org/a_b) and https://y.org/c.")
    assert [piece for piece in block.pieces if piece.to] == [
        MarkedPiece("the docs", "link", "https://x.org/a_b"),
        MarkedPiece("https://y.org/c.", "link", "https://y.org/c."),
    ]


HOSTILE_PROSE = ["|" * 3000, "|-" * 900, "~~a" * 900, "a\n|-|\n" * 300, "*" * 3000, "[" * 3000, "`" * 3000, "_a" * 1500, "<img src=x>" * 50, "> " * 800, "![](" * 700,
                 "- " * 900, "#" * 50, "```\nnever closed", "\u202egnp", "[a](javascript:x)", "http" * 600]  # fmt: skip


def letters(block) -> str:
    cells = [cell for line in block.rows for cell in line]
    return " ".join("".join(piece.text for piece in pieces) for pieces in (block.pieces, *cells))


@given(st.text(max_size=400))
@example("\n".join(HOSTILE_PROSE))
@example("a\x00b")
@settings(max_examples=300, deadline=None)
def test_markdown_loses_no_letters_of_words_and_lets_no_control_through(text):
    made = "".join(letters(block) for block in blocks(text))
    assert not any(ord(letter) < 32 for letter in made)
    words_in = [word for word in text.split() if word.isalnum() and word.isascii() and len(text) < 400]
    assert all(word in made for word in words_in if not word.isdigit() and "](" not in text)


@pytest.mark.parametrize("text", HOSTILE_PROSE)
def test_hostile_markdown_comes_to_an_end(text):
    """A search that goes over and over again would take hours."""
    for whole in (f"{text}\n" * 2000, text * 2000):
        assert sum(len(letters(block)) for block in blocks(whole)) < 1_000_000


def test_a_link_is_opened_only_when_one_says_so_and_only_in_the_web(qtbot, monkeypatch):
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    view = ProseView("What the file says")
    qtbot.addWidget(view)
    view.show()
    view.follow("https://x.org/a")
    question = view.findChildren(Confirm)[-1]
    assert opened == []
    question.act.click()
    assert opened == ["https://x.org/a"]
    for to in ("file:///etc/passwd", "javascript:alert(1)", "smb://host/share", "relative.md"):
        view.follow(to)
        told = view.findChildren(Confirm)[-1]
        assert told.back.isHidden()
        told.act.click()
    assert opened == ["https://x.org/a"]


# Lines, pictures and words.


def test_lines_are_capped_in_number_and_length_and_say_so():
    assert shown("a\tb\n\x1b[31mc") == (["a   b", "\\x1b[31mc"], False)
    lines, cut = shown("x" * (LINE_SHOWN + 1))
    assert (len(lines[0]), cut) == (LINE_SHOWN + 1, True)
    lines, cut = shown("\n".join("x" for _ in range(LINES_SHOWN + 5)))
    assert (len(lines), cut) == (LINES_SHOWN, True)


def png(width: int, height: int) -> bytes:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    held = QBuffer()
    held.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(held, "PNG")
    return bytes(held.data().data())


def test_a_picture_is_a_png_of_a_size_that_the_agent_makes_and_nothing_else(qapp, tmp_path: Path):
    assert decoded(png(40, 30)).size().toTuple() == (40, 30)
    assert decoded(png(2049, 1)) is None
    assert decoded(b"GIF89a") is None
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
    assert decoded(svg) is None


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (ArtifactView("a.bin", "binary", 12), "no text and no picture"),
        (ArtifactView("a.txt", "text", 0, ""), "This file is empty."),
        (ArtifactView("a", "text", 9, problem="It is a link out of the folder."), "It is a link out of the folder."),
    ],
)
def test_a_file_without_a_preview_says_why(view, said):
    assert said in preview.nothing_to_see(view)


def test_what_is_left_out_is_said():
    assert preview.left_out(ArtifactView("a", "text", 10 << 30, "x", is_cut=True)) == (
        "This is the beginning of 10\u202fGiB. Save it to have all."
    )
    assert preview.left_out(ArtifactView("a", "text", 3, "abc")) == ""
    damaged = ArtifactView("a.pkl", "pickle", 10, "PROTO 4", is_cut=True, problem="What follows is no operation.")
    assert preview.left_out(damaged) == "What follows is no operation."
    whole = ArtifactTable(("a",), (("1",),), 1)
    assert preview.left_out(ArtifactView("a", "table", 3, table=whole)) == ""


# What the pages ask of the agent.


@pytest.mark.parametrize("uri", [None, "http://other:5000"])
def test_what_is_saved_is_asked_of_the_registry_whose_version_or_run_is_shown(double, tmp_path, uri):
    version = source_of(VersionHit("digits", "3"), uri)
    assert version.save(double, "plots/roc.png", str(tmp_path)) == f"{tmp_path}/plots/roc.png"
    run = files_of("0" * 32, "calm-owl", uri)
    assert run.save(double, "confusion.png", str(tmp_path)) == f"{tmp_path}/confusion.png"
    assert double.downloaded == [("digits", "3", "plots/roc.png", uri), ("0" * 32, None, "confusion.png", uri)]
