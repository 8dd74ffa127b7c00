"""A user's training on real data, short: plain MLflow, nothing of ours in it."""

import sys

import mlflow
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

rate = float(sys.argv[1])
table = pd.read_csv("/data/iris.csv")
features, species = table.drop(columns="species"), table["species"]
with mlflow.start_run():
    mlflow.log_param("C", rate)
    model = LogisticRegression(C=rate, max_iter=500).fit(features, species)
    auc = roc_auc_score(species, model.predict_proba(features), multi_class="ovr")
    mlflow.log_metric("auc", auc)
    mlflow.log_text(f"auc {auc:.4f}\n", "report.txt")
print(f"auc {auc:.4f}")
