"""Reads text datasets (CSV, JSON Lines, Parquet, plain text, Kaggle): rows, or the reason why a row is skipped.

Nothing here knows tokens, models or runs.
"""
