"""The service that merges partials and publishes runs; its reconcile loop requeues lost work."""
