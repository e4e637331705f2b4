"""Computing on tensors: products in tiles, top-k, attention, copies to a device, precision. It knows no models."""
