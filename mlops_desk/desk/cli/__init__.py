"""The command line: arguments -> a verb, the agent, or the window. Qt is loaded only for the window."""

from mlops_desk.desk.cli.main import main

__all__ = ["main"]
