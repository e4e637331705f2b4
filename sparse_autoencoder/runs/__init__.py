"""A run's options, metadata, state and store, and every file that it writes. It knows neither HTTP nor how activations
come about, and imports no torch."""
