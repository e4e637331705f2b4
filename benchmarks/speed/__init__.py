"""Whole runs and their stages against the rate of multiplication alone, the original's loop and plain batches."""
