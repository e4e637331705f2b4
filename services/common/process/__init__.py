"""A worker process: its settings, its health, its deadlines, and coming back as a fresh one."""
