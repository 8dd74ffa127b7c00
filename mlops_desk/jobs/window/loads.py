"""Which jobs are asked for, and when: the newest as soon as the agent answers, older ones when somebody looks."""

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.store import Store, Topic

JOBS_LOADED = 1000  # as many as a page of the agent holds
MOST_OLDER = 10_000  # chosen: years of a small team; a table that is searched at once
OLDER = Topic("older_jobs")


def ask_newest(desk: ClientLike, _store: Store) -> dict[str, JobBrief]:
    """Return the newest jobs by their ids."""
    return {job.id: job for job in desk.jobs.page(limit=JOBS_LOADED).items}


def ask_older(desk: ClientLike, store: Store) -> dict[str, JobBrief]:
    """Return the jobs before the newest ones; where those are all that there are, nothing is asked."""
    newest = store.jobs.value
    if newest is not None and len(newest) < JOBS_LOADED:
        return {}
    found: dict[str, JobBrief] = {}
    page = desk.jobs.page(limit=JOBS_LOADED)
    while page.next is not None and len(found) < MOST_OLDER:
        page = desk.jobs.page(limit=JOBS_LOADED, cursor=page.next)
        found.update((job.id, job) for job in page.items)
    return found


def known(store: Store) -> dict[str, JobBrief]:
    """Return every job that is known, the newest first."""
    newest, older = store.jobs.value or {}, store.part(OLDER).value
    return {**newest, **older, **newest} if older else newest  # what is among both is told by the newest
