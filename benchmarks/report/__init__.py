"""What was measured, as records in files, and as tables in docs/performance.md."""
