"""Language models: found, loaded, and run up to one hook point. Nothing here knows texts or autoencoders."""
