"""The window: a client of the agent's API that paints what was announced and nothing else.

The only folder that imports PySide6 and pyqtgraph. ``app.run`` is its one door.
"""
