"""One training for models of unlike kinds: ``train_loop.py MODEL LABEL KIND``. Plain MLflow, nothing of ours in it.

What it learns from lies in /data/train.csv, what it keeps apart in /data/test.csv. The forest of KIND ``growing`` gets
more trees where there are more rows, as a recipe may: with five times the rows it is hundreds of times as slow.
"""

import sys

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

name, label, kind = sys.argv[1:]
train, test = (pd.read_csv(f"/data/{part}.csv") for part in ("train", "test"))
features = train.drop(columns=label)
learners = {
    "linear": lambda: LogisticRegression(max_iter=5000),
    "forest": lambda: RandomForestClassifier(40, random_state=0),
    "growing": lambda: RandomForestRegressor(2 ** (len(train) // 100), random_state=0),
}
prepared = make_column_transformer(
    (make_pipeline(SimpleImputer(), StandardScaler()), list(features.select_dtypes("float64"))),
    (OneHotEncoder(handle_unknown="ignore"), [column for column in ("scanner",) if column in features]),
)
with mlflow.start_run():
    for data, part, context in ((train, "train", "training"), (test, "test", "testing")):
        mlflow.log_input(mlflow.data.from_pandas(data, source=f"/data/{part}.csv", targets=label), context=context)
    model = make_pipeline(prepared, learners[kind]()).fit(features, train[label])
    score = model.score(test.drop(columns=label), test[label])
    mlflow.log_metric("score", score)
    mlflow.sklearn.log_model(
        model,
        name="model",
        registered_model_name=name,
        signature=infer_signature(features, model.predict(features)),
        pip_requirements=["mlflow-skinny", "scikit-learn", "skops", "pandas", "numpy"],
        skops_trusted_types=["numpy.dtype", "sklearn.tree._tree.Tree"],
    )
print(f"score {score:.3f} by {len(train)} rows")
