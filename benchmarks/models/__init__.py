"""How long answers take that need a run's models at hand."""
