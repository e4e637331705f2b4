"""Runs by services: what queue, store and merge cost, and a soak under kills."""
