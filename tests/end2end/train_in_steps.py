"""A training as people write them for a machine where they may have to give way: it saves, says so, and goes on later.

train_in_steps.py EPOCHS SECONDS [EAT]      with EAT it wants more memory than there is after the second epoch
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import mlflow
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier

epochs, seconds, eats = int(sys.argv[1]), float(sys.argv[2]), len(sys.argv) > 3
with Path("/starts", os.environ["MLD_JOB_ID"]).open("a") as starts:
    print(os.environ["MLD_ATTEMPT"], file=starts)
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
saved = Path(os.environ["MLD_CHECKPOINT_DIR"], "last.json") if "MLD_CHECKPOINT_DIR" in os.environ else None
digits = load_digits()
model, first = SGDClassifier(random_state=0), 0
if saved is not None and os.environ.get("MLD_RESUME") and saved.exists():
    state = json.loads(saved.read_text())
    first = state["epoch"] + 1
    model.partial_fit(digits.data[:10], digits.target[:10], classes=range(10))
    model.coef_[:], model.intercept_[:] = state["coef"], state["intercept"]
print("begins at", first, flush=True)

with mlflow.start_run():
    for epoch in range(first, epochs):
        model.partial_fit(digits.data, digits.target, classes=range(10))
        mlflow.log_metric("accuracy", model.score(digits.data, digits.target), step=epoch)
        print("epoch", epoch, flush=True)
        if eats and epoch == 1:
            full = [bytearray(os.urandom(1) * (64 << 20)) for _ in range(1000)]
        time.sleep(seconds)
        if asked and saved is not None:
            half = saved.with_suffix(".part")
            state = {"epoch": epoch, "coef": model.coef_.tolist(), "intercept": model.intercept_.tolist()}
            half.write_text(json.dumps(state))
            half.rename(saved)
            print("MLD_CHECKPOINT", saved, flush=True)
            break
    else:
        Path("/results/model.json").write_text(json.dumps(model.coef_.tolist()))
