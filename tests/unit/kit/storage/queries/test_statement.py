"""What of a person's query can stand within another: one statement, without what follows its end."""

import pytest

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.storage.queries.statement import one_statement


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT 1 ;\n", "SELECT 1"),
        ("SELECT 1;;  ;", "SELECT 1"),
        ("SELECT 1 -- all of them", "SELECT 1"),
        ("SELECT 1; -- all; of them\n", "SELECT 1"),
        ("SELECT 1 /* all */ ; /* of */ -- them", "SELECT 1"),
        ("/* all */ SELECT (1) -- of\n + 2", "/* all */ SELECT (1) -- of\n + 2"),
        ("SELECT ';--' AS \"a;/*b\"", "SELECT ';--' AS \"a;/*b\""),
        ("SELECT 'it''s; so'", "SELECT 'it''s; so'"),
        ("SELECT 5 - -3;", "SELECT 5 - -3"),
    ],
)
@pytest.mark.parametrize("is_sqlite", [False, True])
def test_what_follows_the_end_of_a_query_is_left_out_and_nothing_else(query: str, kept: str, is_sqlite: bool) -> None:
    assert one_statement(query, is_sqlite=is_sqlite) == kept


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT 1; -- and\n DROP TABLE t", "more than one statement"),
        ("SELECT 'a; -- b", "a text or a name in the query has no end"),
        ('SELECT "a', "a text or a name in the query has no end"),
        ("SELECT 1 /* all", "a comment in the query has no end"),
        ("SELECT id FROM o) AS x; DELETE FROM o; --", "closes a bracket"),
        ("SELECT (1", "opens a bracket"),
        ("-- nothing", "is empty"),
        (" ; ", "is empty"),
        ("", "is empty"),
    ],
)
@pytest.mark.parametrize("is_sqlite", [False, True])
def test_what_is_not_one_query_with_an_end_is_refused_with_why(query: str, why: str, is_sqlite: bool) -> None:
    with pytest.raises(Invalid, match=why) as told:
        one_statement(query, is_sqlite=is_sqlite)
    assert told.value.hint


def test_each_database_ends_texts_names_and_comments_in_its_own_way() -> None:
    theirs = [
        "SELECT $a$;$a$;",
        "SELECT $$;$$ -- b",
        "SELECT E'\\';' ;",
        "SELECT 1 /* a /* ; */ ; */ ;",
        "SELECT a[1] ;",
    ]
    kept = ["SELECT $a$;$a$", "SELECT $$;$$", "SELECT E'\\';'", "SELECT 1", "SELECT a[1]"]
    assert [one_statement(one, is_sqlite=False) for one in theirs] == kept
    named = ["SELECT `a;b` ;", "SELECT [a;b] ;", "SELECT 1 /* a /* b */ ;"]
    assert [one_statement(one, is_sqlite=True) for one in named] == ["SELECT `a;b`", "SELECT [a;b]", "SELECT 1"]
    for one in ("SELECT `a", "SELECT [a"):
        with pytest.raises(Invalid, match="has no end"):
            one_statement(one, is_sqlite=True)
