"""Makes variants of one model inside its container, measures each in a process of its own, and prints a line of JSON.

ONNX models become float16 and int8 by ONNX Runtime's own tools; any other model is measured as it is, by threads alone.
It stands on the scoring server beside it, so that a model is loaded and asked as it is when it serves.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER, ORDER = Path("/model"), Path("/mlops-desk/order.json")
MADE = Path("/tmp")  # noqa: S108 - the container's own, empty at its start
SERVER = Path("/mlops-desk")
WARM_UP = 3  # chosen: kernels are chosen and memory is taken by then
RUNS, SECONDS = 500, 2.0  # chosen: enough for a p95, and a minute for all variants
CHILD_SECONDS = 300.0  # chosen: a model of gigabytes loads within it
CLOSE = 1e-3  # as answers are compared when an endpoint starts
SAID = 500
QUANTISED = ("MatMulInteger", "ConvInteger", "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM",
             "QLinearMatMul", "QLinearConv", "MatMulNBits")  # fmt: skip
FLOAT16 = 10  # onnx.TensorProto.FLOAT16


def main() -> None:
    order = json.loads(ORDER.read_text())
    graph = next(iter(sorted(FOLDER.rglob("*.onnx"))), None)
    reference = None
    for name in order["variants"] if graph else ["as it is"]:
        try:
            file, changed = made(name, graph)
        except Exception as error:  # noqa: BLE001 - whatever a converter raises is why there is no such variant
            tell({"variant": name, "threads": 0, "error": f"{type(error).__name__}: {error}"[:SAID]})
            continue
        for threads in order["threads"]:
            told = measured(file, threads)
            answers = told.pop("answers", None)
            if answers is not None:
                reference = answers if reference is None else reference
                told.update(judged(answers, reference, order.get("labels")))
            size = file.stat().st_size if file else None
            tell({"variant": name, "threads": threads, "changed": changed, "size_bytes": size, **told})


def tell(told: dict[str, Any]) -> None:
    print(json.dumps(told), flush=True)


def made(name: str, graph: Path | None) -> tuple[Path | None, int | None]:
    """Return the file of a variant, and how many of its parts are not as they were. Raises whatever the tools raise."""
    if graph is None or name == "float32":
        return graph, None
    import onnx

    target = MADE / f"{name}.onnx"
    if name == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(str(beside(graph)), str(target), weight_type=QuantType.QInt8)
        nodes = onnx.load(str(target)).graph.node
        return target, sum(node.op_type in QUANTISED for node in nodes)
    from onnxruntime.transformers.float16 import convert_float_to_float16

    converted = convert_float_to_float16(onnx.load(str(graph)), keep_io_types=True)
    onnx.save(converted, str(target))
    return target, sum(one.data_type == FLOAT16 for one in converted.graph.initializer)


def beside(graph: Path) -> Path:
    """Return the graph by links in a folder that can be written in: the tool writes beside what it reads."""
    folder = MADE / "graph"
    folder.mkdir(exist_ok=True)
    for one in graph.parent.iterdir():
        if not (folder / one.name).exists():
            (folder / one.name).symlink_to(one)
    return folder / graph.name


def measured(file: Path | None, threads: int) -> dict[str, Any]:
    """Measure in a process of its own: memory is then the variant's, and the number of threads holds."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MLOPS_DESK_THREADS")
    words = dict.fromkeys(names, str(threads))
    command = [sys.executable, __file__, "one", str(file or "")]
    try:
        done = subprocess.run(
            command, env={**os.environ, **words}, capture_output=True, timeout=CHILD_SECONDS, check=False
        )
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"error": f"it took longer than {CHILD_SECONDS:g} s"}
    except (ValueError, IndexError):
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        return {"error": f"it ended with code {done.returncode}: {''.join(last)}"[:SAID]}


def one(file: str) -> None:
    """Load a variant, ask it again and again, and print what was found."""
    sys.path.insert(0, str(SERVER))
    import serve

    body = json.dumps(json.loads(ORDER.read_text())["document"]).encode()
    model = serve.OnnxModel(Path(file)) if file else serve.load(FOLDER)
    first = model.answer(body, "application/json")
    if first.status != 200:
        print(json.dumps({"error": f"status {first.status}: {first.body[:300].decode('utf-8', 'replace')}"[:SAID]}))
        return
    ask = model.prepared(body) if file else lambda: model.answer(body, "application/json")
    for _ in range(WARM_UP):
        ask()
    taken: list[float] = []
    began = time.perf_counter()
    while len(taken) < RUNS and (time.perf_counter() - began < SECONDS or len(taken) < 2 * WARM_UP):
        at = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - at)
    answers = predictions(json.loads(first.body)["predictions"])
    taken.sort()
    print(json.dumps({
        "answers": answers, "rows": len(answers), "p50_seconds": taken[len(taken) // 2],
        "p95_seconds": taken[min(len(taken) - 1, len(taken) * 95 // 100)],
        "rows_per_second": len(answers) * len(taken) / sum(taken),
        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }))  # fmt: skip


def predictions(found: Any) -> list[Any]:
    """Return one value for each row: a label, a number, or the place of the largest of several."""
    values = next(iter(found.values())) if isinstance(found, dict) else found
    return [top(value) for value in (values if isinstance(values, list) else [values])]


def top(value: Any) -> Any:
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    numbers = isinstance(value, list) and all(isinstance(one, (int, float)) for one in value)
    if isinstance(value, list):
        return max(range(len(value)), key=value.__getitem__) if numbers and value else json.dumps(value)
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value


def judged(answers: list[Any], reference: list[Any], labels: list[Any] | None) -> dict[str, Any]:
    """Return the share of answers that are as the first variant's, and of those that are right."""
    told = {"agreement": share(answers, reference)}
    if labels is not None and len(labels) == len(answers):
        told["accuracy"] = share(answers, labels)
    return told


def share(found: list[Any], wanted: list[Any]) -> float | None:
    if len(found) != len(wanted) or not found:
        return None
    return sum(same(a, b) for a, b in zip(found, wanted)) / len(found)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b or (isinstance(a, float) and abs(a - b) <= CLOSE * max(abs(a), abs(b)))
    return str(a) == str(b)


if __name__ == "__main__":
    one(sys.argv[2]) if sys.argv[1:2] == ["one"] else main()
