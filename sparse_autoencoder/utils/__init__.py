"""What every part of the library may use: array operations, time limits, prefetching, progress bars, failures. It knows
nothing of what it is used for."""
