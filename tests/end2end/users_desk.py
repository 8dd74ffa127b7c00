"""One user's agent in a process of its own: it submits the jobs that it is given, and tells how each of them ended.

Started as that user: ``python -m tests.end2end.users_desk ROOT ADDRESS IMAGE GPUS…``, with the jobs' texts as a list
of JSON on its standard input.
"""

import json
import sys
from pathlib import Path

from mlops_desk.jobs.records.job import Job
from tests.end2end.jobs_desk import Workshop

_SECONDS = 240.0


def told(desk: Workshop, job: Job) -> dict[str, object]:
    """Return what the test looks at."""
    attempt = job.attempts[-1]
    return {
        "state": str(job.state), "gpus": job.gpus, "log": desk.log(job), "attempts": len(job.attempts),
        "started_at": attempt.started_at, "ended_at": job.ended_at, "reason": job.reason and job.reason.text,
    }  # fmt: skip


def main() -> None:
    root, address, image, *gpus = sys.argv[1:]
    texts = json.load(sys.stdin)
    desk = Workshop(Path(root), address, gpus)
    try:
        jobs = [desk.submit(image, text) for text in texts]
        ended = [desk.wait(job.id, lambda job: job.state.is_final, _SECONDS) for job in jobs]
        json.dump([told(desk, job) for job in ended], sys.stdout)
    finally:
        desk.end()


if __name__ == "__main__":
    main()
