"""Array operations, prefetching, time limits, progress bars, failures, hangs and signals, for all parts of the library.

Nothing here knows what it is used for.
"""
