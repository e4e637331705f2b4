"""A client of the API: `saescope submit`."""
