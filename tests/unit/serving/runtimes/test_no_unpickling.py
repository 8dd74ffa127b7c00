"""A model's files are a program of somebody else: no process of ours opens one as such, whatever it does with them."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

CODE = """
import sys
found = []
sys.addaudithook(lambda event, arguments: found.append(event) if event.startswith("pickle.") else None)
from pathlib import Path
from mlops_desk.serving.image.model_files import read_model
from mlops_desk.serving.runtimes.fit import Fit
files = read_model(Path(sys.argv[1]))
print(Fit(files.size_bytes, 1 << 30).text(), files.example)
loaded = sorted(name for name in sys.modules if name.partition(".")[0] in {"mlflow", "sklearn", "joblib", "cloudpickle"})
import pickle
print("before", found, loaded)
pickle.loads(pickle.dumps(Path))
print("after", bool(found))
"""


class Trap:
    """Whoever unpickles it leaves a file behind."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_reading_what_a_model_says_of_itself_loads_nothing_of_it(tmp_path: Path) -> None:
    model, sprung = tmp_path / "model", tmp_path / "sprung"
    model.mkdir()
    for name in (
        "model.pkl",
        "python_model.pkl",
        "input_example.json",
        "requirements.txt",
        "serving_input_example.json",
    ):
        (model / name).write_bytes(pickle.dumps(Trap(sprung)))
    document = {
        "flavors": {"python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.pkl"}},
        "saved_input_example_info": {"serving_input_path": "serving_input_example.json"},
    }
    (model / "MLmodel").write_text(json.dumps(document))
    done = subprocess.run([sys.executable, "-c", CODE, str(model)], capture_output=True, text=True, check=True)
    assert "before [] []" in done.stdout, done.stdout
    assert "after True" in done.stdout, "the hook hears what it is to hear"
    assert not sprung.exists()
