"""Rows -> token ids -> chunks -> windows, by an explicit token policy. It knows no models."""
