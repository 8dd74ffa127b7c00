"""What charts draw: points, spans, and the axis of time. No widgets."""
