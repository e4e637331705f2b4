"""What the subcommands of `saescope` do, but for `run` (the library's) and `submit` (services/client)."""
