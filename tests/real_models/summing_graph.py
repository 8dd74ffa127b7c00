"""A program that saves a graph by MLflow: the sum of each row of three columns. Its folder is the only word.

Its example is of doubles, as numpy makes them, where the graph has floats: so MLflow's signature differs from the graph.
"""

import sys

import numpy as np
from mlflow.models import infer_signature
from mlflow.onnx import save_model
from onnx import TensorProto, helper

node = helper.make_node("ReduceSum", ["features"], ["sum"], keepdims=1)
made = helper.make_graph(
    [node],
    "sum",
    [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 3])],
    [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [1, 1])],
)
example = np.array([[1.0, 2.0, 4.5], [0.5, 0.5, -4.0]])
model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
save_model(
    model, sys.argv[1], signature=infer_signature(example), input_example=example, pip_requirements=["onnxruntime"]
)
