"""What the services keep in Redis beside messages: leases, attempts, who is alive, notes. All of it may be lost."""
