"""One module per stage: paths in, paths out. The top function reads like the picture in the README."""
