"""Wheels that stand in for Keras and TensorFlow, so that MLflow's own loaders of both run where there is neither.

They are called and versioned as the real ones, of which one alone has 260 MB. In the place of a ``.keras`` file they
read one layer's weights as JSON. What they share with the real ones is what goes wrong around them: Keras chooses its
backend by KERAS_BACKEND, and imports TensorFlow where nobody has said anything. They are neither, and say so.
"""

import zipfile
from pathlib import Path

_NOT_IT = '"""A stand-in of the tests: it is not {name}."""\n'
_KERAS = """
import importlib, json, os
import numpy

__version__ = "3.15.1"
BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")
importlib.import_module(BACKEND)
from keras import callbacks, models, ops, saving
"""
_MODELS = """
import json
import numpy

class Model:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            layer = json.load(file)
        self.kernel, self.bias = (numpy.asarray(layer[name], dtype="float32") for name in ("kernel", "bias"))
    def predict(self, data):
        return numpy.asarray(data, dtype="float32") @ self.kernel + self.bias

def load_model(path, custom_objects=None, compile=True):
    return Model(path)
"""
_CALLBACKS = "class Callback:\n    pass\n\nclass TensorBoard(Callback):\n    pass\n"
_OPS = "import numpy\n\ndef convert_to_numpy(value):\n    return numpy.asarray(value)\n"
_FILES = {
    ("keras", "3.15.1"): {
        "keras/__init__.py": _KERAS, "keras/models.py": _MODELS, "keras/callbacks.py": _CALLBACKS, "keras/ops.py": _OPS,
        "keras/saving.py": "from keras.models import load_model\n",
    },
    ("tensorflow_cpu", "2.21.0"): {
        "tensorflow/__init__.py": '__version__ = "2.21.0"\n',
        "tensorflow/keras/__init__.py": "from tensorflow.keras import callbacks, models\n",
        "tensorflow/keras/models.py": _MODELS, "tensorflow/keras/callbacks.py": _CALLBACKS,
    },
}  # fmt: skip


def lay(folder: Path) -> None:
    """Write both wheels into a wheelhouse."""
    for (name, version), files in _FILES.items():
        info = f"{name}-{version}.dist-info"
        whole = {path: _NOT_IT.format(name=name) + text for path, text in files.items()} | {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: numpy\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},,\n" for path in (*whole, f"{info}/RECORD"))
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            for path, text in {**whole, f"{info}/RECORD": record}.items():
                wheel.writestr(path, text)
