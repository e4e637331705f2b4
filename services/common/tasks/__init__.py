"""Messages between services on Celery's queues in Redis, and the worker processes that do their tasks.

It doesn't know what the tasks do, nor when one should be requeued.
"""
