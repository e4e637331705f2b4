"""Tensor operations: matrix products in tiles, top-k, attention, precision, copies to a device.

They know neither models nor files, nor what the numbers mean.
"""
