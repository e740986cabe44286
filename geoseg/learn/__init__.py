"""The training side without files: config, augmentation, losses, the optimiser's step, checkpoints and pictures."""
