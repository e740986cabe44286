"""The training side: networks (and, later, losses, augmentation, data sets, metrics)."""
