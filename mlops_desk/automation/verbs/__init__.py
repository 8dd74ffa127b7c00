"""What can be asked of rules, pipelines, approvals, labels and pipelines of repositories."""
