"""The service that computes: it reads chunks of rows, and writes a partial for each."""
