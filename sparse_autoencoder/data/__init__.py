"""Sources of text (CSV, JSON Lines, Parquet, plain text, Kaggle) -> rows, or the reason why one is skipped. It knows no
tokens."""
