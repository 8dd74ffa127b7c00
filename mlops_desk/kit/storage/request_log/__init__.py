"""The request log on disk: its columns, where its parts lie, how they are written, read and kept within limits."""
