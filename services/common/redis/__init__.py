"""What the services keep in Redis beside messages: leases, attempts, heartbeats, notes. All of it may get lost."""
