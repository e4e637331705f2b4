"""The services' work on a simulated world: seeded schedules of crashes, losses and delays, in virtual time."""
