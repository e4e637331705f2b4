"""A run computed: models loaded, one chunk encoded, and the whole run in one process. It knows no services."""
