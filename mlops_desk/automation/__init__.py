"""Automation: rules of people, retraining pipelines, approvals, pipelines of repositories."""
