"""MLflow's own client, asked in a process of its own: reads queries as JSON, a line each, and prints what it finds.

A query is ``{"filter", "order_by", "experiments", "max"}``, the answer a list of run ids, or ``{"refused": text}``.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any


class Oracle:
    """The process; used by one thread."""

    def __init__(self, uri: str) -> None:
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env=environment,
        )  # fmt: skip

    def ask(self, query: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(query) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def _answers(uri: str) -> Iterator[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    for line in sys.stdin:
        query = json.loads(line)
        try:
            found = client.search_runs(
                query["experiments"], query["filter"], max_results=query["max"], order_by=query["order_by"]
            )
        except Exception as error:  # noqa: BLE001 - whatever it raises, it has refused
            yield {"refused": f"{type(error).__name__}: {error}"[:300]}
        else:
            yield [run.info.run_id for run in found]


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # MLflow greets on stdout
    for answer in _answers(sys.argv[1]):
        print(json.dumps(answer), file=answers, flush=True)
