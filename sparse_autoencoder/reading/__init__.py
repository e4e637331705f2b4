"""Runs as they are shown: listed, ranked, searched, compared, while they are computed too. It knows no HTTP and imports
no torch."""
