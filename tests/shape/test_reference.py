"""The reference pages that ship with the program say what the program's declarations say now."""

from tests.shape import reference


def test_the_reference_pages_are_as_the_declarations_say():
    assert not reference.old(), "Write them anew: python -m tests.shape.reference"


def test_a_page_that_is_old_missing_or_of_nothing_is_seen(tmp_path):
    made = reference.pages()
    for name, text in made.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert reference.old(tmp_path) == []
    (tmp_path / "settings.md").write_text(made["settings.md"].replace("ui.theme", "ui.colours"), encoding="utf-8")
    (tmp_path / "rules.md").unlink()
    (tmp_path / "former.md").write_text("# Former", encoding="utf-8")
    assert reference.old(tmp_path) == ["former.md", "rules.md", "settings.md"]


def test_the_pages_hold_what_people_look_for():
    made = reference.pages()
    assert "| `timeLimit` | it is asked to end then | a length of time" in made["job-file.md"]
    assert "[resources](#resources)" in made["job-file.md"]
    assert "| `grownOver` |" in made["rules.md"]
    assert "| `hw.power` | W |" in made["metrics.md"]
    assert "| `gpu.xid` | 1 | 1 when it has had a grave error" in made["metrics.md"]
    assert "| `serving.listen` |" in made["settings.md"]
    assert "- `jobs submit [--runtime RUNTIME]" in made["verbs.md"]
    assert "- `agent run`: Be the agent" in made["verbs.md"]
