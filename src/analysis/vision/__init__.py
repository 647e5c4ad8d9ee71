"""Image classifiers on this machine: weights, preprocessing, data sets, corruptions, one pass over many models."""
