"""Texts: corpora with their class and item ids, noise made here, and classifiers that are trained on them."""
