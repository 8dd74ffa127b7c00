"""What is told of repositories that rules watch: seen, pushed, run, or why not."""

from types import SimpleNamespace

from mlops_desk.automation.records.ci.repository_watch import SeenRef, WatchedRepository
from mlops_desk.automation.records.conditions import Either, ManualClause, PushClause
from mlops_desk.automation.records.firing import KeptFiring, PushedRef
from mlops_desk.automation.records.rule_record import RuleSight
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.repository_watch import watched_repositories
from mlops_desk.automation.text.ci import TABLES

SHA = "0123456789abcdef0123456789abcdef01234567"


def rule(name, *parts, paused=False, readable=True):
    written = SimpleNamespace(id=f"id-{name}", name=name, is_paused=paused)
    spec = RuleSpec(name, Either(parts), ()) if readable else None
    return SimpleNamespace(written=written, spec=spec)


def firing(at, *pushed):
    return KeptFiring(f"f{at}", "ci", "id-ci", "", 1, at, "a push", (), pushed=pushed)


def watched(rules, sights=(), firings=(), runs=(), trouble=None):
    kept = {one.key: one for one in sights}
    tables = SimpleNamespace(
        sights=kept,
        firings=SimpleNamespace(list=lambda parent, limit: [one for one in firings if one.rule_id == parent][:limit]),
    )
    newest = SimpleNamespace(list=lambda parent, limit: [one for one in runs if one.repository == parent][:limit])
    return watched_repositories(SimpleNamespace(all=lambda: rules, tables=tables), newest, (trouble or {}).get)


def test_a_repository_tells_where_it_is_what_was_pushed_last_and_what_ran():
    main, other = PushClause("/srv/churn.git", "main"), PushClause("/srv/lab.git", "v*")
    sights = [
        RuleSight("id-ci", 1, f"refs/heads/main {SHA}", 50.0),
        RuleSight("id-ci", 2, f"refs/tags/v1 {SHA}\nrefs/tags/v2 {SHA[::-1]}", 60.0),
    ]
    pushes = [
        firing(90.0, PushedRef("/srv/other.git", "refs/heads/main", "ff")),
        firing(80.0, PushedRef("/srv/churn.git", "refs/heads/main", SHA)),
        firing(70.0, PushedRef("/srv/churn.git", "refs/heads/main", "aa")),
    ]
    runs = [
        SimpleNamespace(id="r2", repository="/srv/churn.git"),
        SimpleNamespace(id="r1", repository="/srv/churn.git"),
    ]
    found = watched([rule("ci", ManualClause(), main, other)], sights, pushes, runs)
    at = SeenRef("refs/heads/main", SHA)
    assert found[0] == WatchedRepository("/srv/churn.git", "main", "ci", False, (at,), 50.0, (at,), 80.0, "r2")
    tags = (SeenRef("refs/tags/v1", SHA), SeenRef("refs/tags/v2", SHA[::-1]))
    assert found[1] == WatchedRepository("/srv/lab.git", "v*", "ci", False, tags, 60.0)
    table = TABLES[WatchedRepository]
    assert table["AT"](found[0]) == f"main {SHA[:12]}"
    assert table["AT"](found[1]) == f"v1 {SHA[:12]} and 1 more"
    assert (table["STATE"](found[0]), table["RUN"](found[1])) == ("watched", "–")


def test_what_nobody_has_looked_at_can_not_be_looked_at_or_is_paused_says_so():
    rules = [rule("a", PushClause("/a", "main")), rule("b", PushClause("/b", "main")),
             rule("c", PushClause("/c", "main"), paused=True), rule("d", readable=False)]  # fmt: skip
    sights = [RuleSight("id-b", 0, "-", 5.0), RuleSight("id-c", 0, SHA, 5.0)]  # an earlier agent kept the commit alone
    found = watched(rules, sights, trouble={"b": "No such folder.", "c": "Old."})
    assert [(one.seen_at, one.trouble) for one in found] == [(None, None), (5.0, "No such folder."), (5.0, None)]
    assert (found[1].seen, found[2].seen) == ((), (SeenRef("main", SHA),))
    state = TABLES[WatchedRepository]["STATE"]
    assert [state(one) for one in found] == ["not looked at yet", "No such folder.", "paused"]


def test_each_part_of_a_rule_tells_the_last_push_that_it_waits_for_and_no_other_of_its_repository():
    parts = [PushClause("/srv/churn.git", ref) for ref in ("main", "v*", "refs/tags/v*")]
    pushes = [
        firing(90.0, PushedRef("/srv/churn.git", "refs/heads/main", "aa")),
        firing(
            80.0, PushedRef("/srv/churn.git", "refs/tags/v1", "bb"), PushedRef("/srv/churn.git", "refs/heads/x", "c")
        ),
        firing(70.0, PushedRef("/srv/churn.git", "refs/heads/v2", "dd")),
    ]
    found = {one.ref: (one.pushed, one.pushed_at) for one in watched([rule("ci", *parts)], firings=pushes)}
    tag = ((SeenRef("refs/tags/v1", "bb"),), 80.0)
    assert found == {"main": ((SeenRef("refs/heads/main", "aa"),), 90.0), "v*": tag, "refs/tags/v*": tag}
