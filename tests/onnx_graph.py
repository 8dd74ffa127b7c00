"""A network of three layers with random weights, as files that an endpoint can serve and variants are made of."""

import itertools
import json
from pathlib import Path

ROWS, WIDTH, HIDDEN = 32, 64, 512


def write_graph(folder: Path) -> Path:
    """Write a graph and an example of it."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(1)
    sizes, nodes, weights, name = (WIDTH, HIDDEN, HIDDEN, 10), [], [], "x"
    for index, (rows, columns) in enumerate(itertools.pairwise(sizes)):
        matrix = (random.standard_normal((rows, columns)) / rows**0.5).astype(np.float32)
        weights.append(numpy_helper.from_array(matrix, f"w{index}"))
        nodes.append(helper.make_node("MatMul", [name, f"w{index}"], [f"m{index}"]))
        name = f"m{index}"
        if index < 2:
            nodes.append(helper.make_node("Relu", [name], [f"r{index}"]))
            name = f"r{index}"
    made = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, WIDTH])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 10])], weights,
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / "net.onnx"))
    rows = random.standard_normal((ROWS, WIDTH)).astype(np.float32)
    (folder / "serving_input_example.json").write_text(json.dumps({"inputs": rows.tolist()}))
    return folder
