"""What the API answers about a run's features and rows."""
