"""The service that merges what chunks contribute, publishes runs, and watches that nothing is lost."""
