"""Labelled data: items (what may be read), legends (what labels mean), splits (what is for training) and samples."""
