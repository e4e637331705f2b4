"""All Prometheus metrics of the services, in prometheus_client's default registry.

Each process exports what it counted itself; Prometheus adds up processes.
"""

from prometheus_client import Counter, Gauge, Histogram

ROWS = Counter("saescope_rows", "Rows that were encoded.")
TOKENS = Counter("saescope_tokens", "Tokens that were encoded.")
TOKENS_PER_S = Gauge("saescope_tokens_per_s", "Tokens per second in the chunk that was encoded last.")
CHUNK_SECONDS = Histogram(
    "saescope_chunk_seconds",
    "Seconds that a stage of the work on one chunk took.",
    ["stage"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000),
)
QUEUE_DEPTH = Gauge("saescope_queue_depth", "Messages that wait in a queue.", ["queue"])
RETRIES = Counter("saescope_retries", "Chunks that were queued again.")
LEASE_LOSSES = Counter("saescope_lease_losses", "Leases that were lost: their worker died, froze or was cut off.")
FAILED_CHUNKS = Counter("saescope_failed_chunks", "Chunks that were marked failed.")
BAD_MESSAGES = Counter("saescope_bad_messages", "Messages that could not be understood, and were dropped.")
FAILED_ATTEMPTS = Counter("saescope_failed_attempts", "Attempts that failed, at whatever was tried.", ["service"])
UNAVAILABLE = Counter("saescope_unavailable", "Tasks that ended because store, queue or leases were unavailable.")
