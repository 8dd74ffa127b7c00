"""The columns of the lists of runs and of watched repositories."""

from mlops_desk.base.text import plain
from mlops_desk.records.ci.watched import WatchedRepository
from mlops_desk.ui.automations.ci import words
from mlops_desk.ui.automations.loads import SeenCi
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.words import numbers


def _state(one: SeenCi) -> Cell:
    mark = words.RUN_MARKS[one.brief.state]
    return Cell(mark.text, mark.word, mark.token, one.brief.text)


def _passed(one: SeenCi) -> Cell:
    stage = "" if one.brief.stage is None else f", at {plain(one.brief.stage, 60)}"
    return Cell(f"{one.brief.passed} of {one.brief.stages}{stage}", one.brief.passed)


def _repository(one: SeenCi) -> Cell:
    return Cell(_short(one.brief.repository), one.brief.repository, tip=one.brief.repository)


def _short(repository: str) -> str:
    """Return the end of a path or address, by which people tell repositories apart."""
    return plain("/".join(repository.rstrip("/").split("/")[-2:]), 80)


def _began(one: SeenCi) -> Cell:
    at = one.brief.created_at
    return Cell(numbers.ago(at), at, tip=numbers.absolute(at))


RUNS: tuple[Column[SeenCi], ...] = (
    Column("state", "State", _state),
    Column("name", "Pipeline", lambda one: Cell(plain(one.brief.name), tip=one.brief.name)),
    Column("repository", "Repository", _repository, stretch=True),
    Column("ref", "For", lambda one: Cell("" if one.brief.ref is None else words.ref(one.brief.ref))),
    Column("commit", "Commit", lambda one: Cell(words.commit(one.brief.commit, is_dirty=one.brief.dirty)), spare=True),
    Column("passed", "Stages passed", _passed),
    Column("by", "By", lambda one: Cell(plain(one.brief.user)), spare=True),
    Column("began", "Began", _began, right=True),
)


def _watched(one: WatchedRepository) -> Cell:
    mark = words.watched_mark(one)
    return Cell(mark.text, mark.word, mark.token, one.trouble or "")


def _seen(one: WatchedRepository) -> Cell:
    lines = [f"{words.ref(seen.ref)} {seen.commit}" for seen in one.seen]
    since = [] if one.seen_at is None else [f"since {numbers.absolute(one.seen_at)}"]
    return Cell(words.refs(one.seen) or plain(one.trouble or "", 200), tip="\n".join([*lines, *since]))


def _pushed(one: WatchedRepository) -> Cell:
    if one.pushed_at is None:
        return Cell("none yet", 0.0)
    tip = "\n".join([numbers.absolute(one.pushed_at), *(f"{words.ref(ref.ref)} {ref.commit}" for ref in one.pushed)])
    return Cell(f"{words.refs(one.pushed)}, {numbers.ago(one.pushed_at)}", one.pushed_at, tip=tip)


WATCHED: tuple[Column[WatchedRepository], ...] = (
    Column("state", "State", _watched),
    Column("repository", "Repository", lambda one: Cell(_short(one.repository), tip=one.repository), stretch=True),
    Column("ref", "Waits for", lambda one: Cell(words.ref(one.ref))),
    Column("seen", "Is at", _seen, spare=True),
    Column("pushed", "Last push", _pushed),
    Column("rule", "Rule", lambda one: Cell(plain(one.rule), tip=one.rule)),
)
