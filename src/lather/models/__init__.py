"""Models: nets, posteriors, likelihoods, terms, objectives, the autoencoder."""
