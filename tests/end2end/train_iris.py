"""What a user's training script looks like: plain MLflow, nothing of ours in it."""

import sys

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score

data = pd.read_csv("/data/iris.csv")
features = data.drop(columns="species")
strength = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0

with mlflow.start_run():
    mlflow.log_param("C", strength)
    mlflow.log_input(mlflow.data.from_pandas(data, source="/data/iris.csv", targets="species"), context="training")
    model = LogisticRegression(C=strength, max_iter=500).fit(features, data["species"])
    accuracy = accuracy_score(data["species"], model.predict(features))
    mlflow.log_metric("accuracy", accuracy)
    mlflow.sklearn.log_model(
        model,
        name="model",
        registered_model_name="iris",
        signature=infer_signature(features, model.predict(features)),
        input_example=features.head(2),
        pip_requirements=["mlflow-skinny", "scikit-learn", "skops", "pandas", "numpy"],
    )
print(f"accuracy {accuracy:.3f}")
