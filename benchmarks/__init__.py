"""Commands that measure saescope on the machine they run on, and print what they found."""
