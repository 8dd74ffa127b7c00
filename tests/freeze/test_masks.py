"""What a snapshot masks, and what it leaves to be compared."""

from tests.freeze import masks
from tests.freeze.compare import differences


def test_what_differs_by_itself_is_masked_and_words_are_not() -> None:
    printed = "GPU 3 free since 2026-12-03 04:22:38, 62.5 GiB, held by a1884b495bd1 for 4 min\nfailed  3 min ago\n"
    assert masks.text("last 12, mean 3.5\u202fGB/s") == "last #, mean #"
    assert masks.text("0.25 s and 0.1234567 s") == "# and #"
    assert masks.lines(printed) == "GPU # free since <time>, #, held by # for #\nfailed  #\n"


def test_rows_of_one_form_count_once_and_a_new_word_shows() -> None:
    assert (
        masks.lines("job   1 s  failed\njob  20 s  failed\njob  3 s  unknown\n") == "job  #  failed\njob  #  unknown\n"
    )


def test_a_list_is_what_its_elements_have_in_it() -> None:
    rows = [{"id": "a1884b495bd1", "state": "failed", "at": 1.5}, {"id": "b1884b495bd1", "state": "fine", "at": None}]
    assert masks.value(rows) == [{"at": ["#", None], "id": "#", "state": ["failed", "fine"]}]
    assert masks.value(rows) == masks.value(rows[::-1])
    assert masks.kinds({"rows": [{"at": 3}], "none": [], "more": {"at": {"deep": {}}}}) == {
        "rows": [{"at": "…"}],
        "none": "…",
        "more": {"at": {"deep": "…"}},
    }


def test_a_difference_is_told_by_its_section() -> None:
    before = {"help/jobs.txt": ["submit", "list"], "api.json": ["{}"]}
    assert differences(before, before) == {}
    found = differences(before, {"help/jobs.txt": ["list"], "help/new.txt": []})
    assert set(found) == {"help", "api.json"}
    assert "-submit" in found["help"]
    assert "+ help/new.txt is new" in found["help"]
