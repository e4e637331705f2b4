"""Language models up to one hook point: found, loaded, run. They know no texts and no autoencoders."""
