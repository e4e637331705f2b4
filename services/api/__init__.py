"""The HTTP API and the viewer's files, on a store of runs."""
