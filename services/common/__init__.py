"""What the services share: settings, messages, the queue, leases, and the object store."""
