"""MLOps Desk: one window for the people who share one multi-GPU workstation.

The agent works, the window shows. One agent process for each data folder owns everything that must
go on when nobody looks (sampling, history, the job queue, endpoints, monitors, rules); the window,
the tray and the command line are clients of its local API and nothing else.

    cli -> (ui | agent) -> api -> desk -> telemetry | events | alerts | jobs | serving | registry
        | drift | rules
        -> storage | engines | leases -> verbs -> records | base

Numbers flow down once (source -> history -> event -> page), verbs flow up once (page -> verb ->
agent -> event). What crosses a thread or a process is a frozen record, never a live object. Every
heavy dependency has one door. CONTRIBUTING.md has the whole plan of the house.
"""

__version__ = "0.1.0"
