"""Runs as the API lists, starts, stops and follows them."""
