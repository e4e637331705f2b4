"""Training TopK autoencoders: losses, initialisation, the decoder's norm. It knows no language models and no texts."""
