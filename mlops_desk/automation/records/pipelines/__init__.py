"""Retraining as a pipeline: its runs, their steps, and what each step found."""
