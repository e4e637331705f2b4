"""What a feature does: to later predictions if one of its activations is taken away, and to text if it is turned up."""
