"""The memory that this process has used at most."""

import sys


def most_memory() -> int:
    """Bytes that were in use at the same time, at most; 0 where the system doesn't tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
