"""Reads an MLflow server by its REST API, without MLflow: nothing is loaded that takes seconds."""
