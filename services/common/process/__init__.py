"""A worker process: how it starts, stops at a signal, reports its health, notices hangs, and restarts itself."""
