"""Which runs are asked for: MLflow's filter strings and the short form that people type, as one tree."""
