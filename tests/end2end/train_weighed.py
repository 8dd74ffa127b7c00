"""Two models of one table: a forest, which says what its columns mean to it, and nearest neighbours, which can't."""

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

data = pd.read_csv("/data/cells.csv", parse_dates=["seen"])
features = data.drop(columns="benign")
numbers = ["radius", "texture", "smoothness", "symmetry"]
models = {"forest": RandomForestClassifier(random_state=0), "near": KNeighborsClassifier(9)}
for name, last in models.items():
    prepared = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        ("clinic", OneHotEncoder(handle_unknown="ignore"), ["clinic"]),
    ])  # fmt: skip
    with mlflow.start_run():
        model = make_pipeline(prepared, last).fit(features, data["benign"])
        mlflow.sklearn.log_model(
            model,
            name="model",
            registered_model_name=name,
            signature=infer_signature(features, model.predict(features)),
            pip_requirements=["mlflow-skinny", "scikit-learn", "skops", "pandas", "numpy"],
            skops_trusted_types=["numpy.dtype", "sklearn.neighbors._kd_tree.KDTree", "sklearn.tree._tree.Tree",
                                 "sklearn.metrics._dist_metrics.EuclideanDistance64"],
        )  # fmt: skip
