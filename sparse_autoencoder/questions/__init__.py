"""What is asked of a run's models, and the answers: a text's features, effects of an activation, steering, patterns."""
