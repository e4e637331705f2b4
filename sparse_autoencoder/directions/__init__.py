"""What follows from the weights alone: logit effects and neighbours of an autoencoder's decoder directions."""
