"""A training on a table of all kinds of columns: numbers, a category, true and false, dates, and values that lack."""

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

data = pd.read_csv("/data/cells.csv", parse_dates=["seen"])
features = data.drop(columns="benign")
numbers = ["radius", "texture", "smoothness", "symmetry"]
prepared = ColumnTransformer(
    [("numbers", SimpleImputer(), numbers), ("clinic", OneHotEncoder(handle_unknown="ignore"), ["clinic"])]
)
with mlflow.start_run():
    mlflow.log_input(mlflow.data.from_pandas(data, source="/data/cells.csv", targets="benign"), context="training")
    model = make_pipeline(prepared, LogisticRegression(max_iter=5000)).fit(features, data["benign"])
    accuracy = model.score(features, data["benign"])
    mlflow.log_metric("accuracy", accuracy)
    mlflow.sklearn.log_model(
        model,
        name="model",
        registered_model_name="cells",
        signature=infer_signature(features, model.predict(features)),
        pip_requirements=["mlflow-skinny", "scikit-learn", "skops", "pandas", "numpy"],
        skops_trusted_types=["numpy.dtype"],
    )
print(f"accuracy {accuracy:.3f}")
