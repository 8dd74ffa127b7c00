"""A training that logs as fast as it can by plain MLflow, in a process of its own: ``python … URI SECONDS``.

Prints how many writes it made, the longest one in seconds, and what MLflow refused.
"""

import json
import sys
import time


def main():
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException

    uri, seconds = sys.argv[1], float(sys.argv[2])
    client = MlflowClient(uri, uri)
    run_id = client.create_run("1").info.run_id
    client.log_batch(run_id, params=[Param(f"p{n}", "1") for n in range(10)], tags=[RunTag("team", "vision")])
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + seconds
    count, longest, errors = 0, 0.0, []
    while time.monotonic() < until:
        begin = time.monotonic()
        try:
            client.log_batch(
                run_id, metrics=[Metric(name, count * 0.5, int(time.time() * 1000), count) for name in "abc"]
            )
        except MlflowException as error:
            errors.append(str(error)[:300])
        longest = max(longest, time.monotonic() - begin)
        count += 1
    client.set_terminated(run_id)
    print(json.dumps({"run_id": run_id, "writes": count, "longest": longest, "errors": errors}))


if __name__ == "__main__":
    main()
