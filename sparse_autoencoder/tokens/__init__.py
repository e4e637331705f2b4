"""Rows -> token ids -> chunks -> windows, by an explicit token policy. Nothing here knows models."""
