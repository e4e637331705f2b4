"""Messages between services, on Celery's queues in Redis, and the life of a process that works on them."""
