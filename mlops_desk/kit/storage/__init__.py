"""The only folder that knows SQL. Records go in and come out, never ORM objects.

``State`` (jobs, endpoints, rules, audit) and ``TelemetryStore`` are the two databases; the agent alone opens them.
"""
