"""The service that reads datasets: rows in, tokenised chunks out."""
