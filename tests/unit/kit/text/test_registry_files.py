"""Files, what a model's files say, and lineage as text in a terminal: cut, plain, and unknown is never told as none."""

import json

import pytest

from mlops_desk.registry.records.artifact_view import ArtifactTable, ArtifactView, Downloaded
from mlops_desk.registry.records.lineage import Lineage, LineageEdge, LineageKind, LineageNode, OpenLineage
from mlops_desk.registry.records.model_files import ModelFileFacts, SignatureColumn
from mlops_desk.registry.text.files import FORMS, downloaded, lineage, model_facts, view


def lines(text: str) -> dict[str, str]:
    """Return facts as they stand in lines of a name and what it is."""
    parts = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return {one[0]: one[1] if len(one) > 1 else "" for one in parts}


def test_a_text_stands_below_what_kind_of_file_it_is_and_says_that_it_goes_on() -> None:
    told = view(ArtifactView("a/train.py", "code", 2048, "import x\n\x1b[31mred", "python", is_cut=True, sha256="ab"))
    assert lines(told)["kind"] == "code python"
    assert lines(told)["sha256"] == "ab"
    assert "import x\n" in told
    assert "\x1b" not in told
    assert told.endswith("… and more: it is cut here.")


def test_a_file_of_which_nothing_is_known_says_nothing_of_it() -> None:
    told = lines(view(ArtifactView("x.bin", "binary")))
    assert set(told) == {"file", "kind"}


def test_a_picture_and_a_problem_are_told() -> None:
    told = view(ArtifactView("x.png", "image", 5, image=b"png", problem="It is cut off."))
    assert "the window shows it" in told
    assert "It is cut off." in told


def test_a_table_tells_how_much_of_it_is_shown() -> None:
    columns = tuple(f"c{n}" for n in range(14))
    rows = ((*("1" for _ in range(13)), None), (None, *("2" for _ in range(13))))
    told = view(ArtifactView("x.csv", "table", 5, table=ArtifactTable(columns, rows, 20_000)))
    assert "2 of 20,000 rows, 2 more columns" in told
    assert "–" in told
    assert "c11" in told
    assert "c12" not in told
    assert "2 rows" in view(
        ArtifactView("x.csv", "table", 5, table=ArtifactTable(columns[:2], (("1", "2"), ("3", "4"))))
    )


@pytest.mark.parametrize(("count", "more"), [(200, ""), (1205, "… 1,005 more")])
def test_a_long_listing_is_told_by_its_number(count: int, more: str) -> None:
    told = view(ArtifactView("x.zip", "archive", 5, listing=tuple(f"member-{n}" for n in range(count))))
    assert "member-199" in told
    assert "member-200" not in told
    assert told.endswith(more or "member-199")


def test_what_a_models_files_do_not_say_is_not_told_as_none() -> None:
    told = model_facts(ModelFileFacts("m", "1"))
    assert "not known" in told
    for name in ("flavours", "formats", "inputs", "outputs", "params", "requires", "imports"):
        assert lines(told)[name] == "–"
    assert "none" in model_facts(ModelFileFacts("m", "1", inputs=()))


@pytest.mark.parametrize(
    ("loads", "said"), [(True, "yes: opening it runs what its files say"), (False, "no"), (None, "not known")]
)
def test_whether_opening_it_runs_code_is_told(loads: bool | None, said: str) -> None:
    assert f"runs code     {said}" in model_facts(ModelFileFacts("m", "1", loads_code=loads))


def test_what_a_models_files_say_is_told_with_shapes_and_sizes() -> None:
    columns = (SignatureColumn("age", "double"), SignatureColumn(None, "float32", shape=(-1, 3)))
    many = tuple(SignatureColumn(f"c{n}", "long") for n in range(25))
    told = model_facts(
        ModelFileFacts(
            "m",
            "1",
            {"sklearn": {}},
            ("pickle",),
            True,
            {"os.system": 2},
            columns,
            many,
            None,
            '{"a": 1}\n',
            ("numpy",),
            "3.12",
            "3.17",
            "m-1",
            2048,
            3,
            "MLmodel is odd.",
        )
    )
    for part in (
        "age: double, float32 [-1, 3]",
        "c19: long and 5 more",
        "os.system × 2",
        "2 KiB in 3 files",
        'An example of what goes in:\n{"a": 1}',
        "MLmodel is odd.",
        "numpy",
    ):
        assert part in told


def test_lineage_is_told_from_left_to_right_with_what_leads_where() -> None:
    nodes = (
        LineageNode("v", LineageKind.VERSION, "v1"),
        LineageNode("r", LineageKind.RUN, "calm", state="FINISHED"),
        LineageNode("d", LineageKind.DATASET, "table"),
    )
    told = lineage(Lineage(nodes, (LineageEdge("d", "r", "training"), LineageEdge("r", "v")), n_left_out=1200))
    rows = told.splitlines()
    assert [row.split()[0] for row in rows[1:4]] == ["dataset", "run", "version"]
    assert rows[2].endswith("training dataset table")
    assert rows[3].endswith("run calm")
    assert told.endswith("1,200 more are not shown.")
    assert "more" not in lineage(Lineage(nodes, ()))


def test_what_was_fetched_is_counted() -> None:
    assert downloaded(Downloaded("/to", 1, 2048)) == "1 file (2 KiB) in /to"
    assert downloaded(Downloaded("/to", 1200, 0)).startswith("1,200 files")


def test_every_record_of_files_has_its_form() -> None:
    assert set(FORMS) == {ArtifactView, ModelFileFacts, Lineage, OpenLineage, Downloaded}


def test_events_of_openlineage_are_one_document_a_line() -> None:
    told = FORMS[OpenLineage](OpenLineage(({"eventType": "COMPLETE", "job": {"name": "\x1b[31m\n"}}, {"job": {}})))
    first, second = told.split("\n")
    assert json.loads(first) == {"eventType": "COMPLETE", "job": {"name": "\x1b[31m\n"}}
    assert (json.loads(second), "\x1b" in told) == ({"job": {}}, False)
