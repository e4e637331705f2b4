"""The API from its client's side: `saescope submit`."""
