"""The service that computes: a chunk in, what it contributes to every feature out."""
