"""The deployables: each moves messages or answers requests, and calls the library to compute."""
