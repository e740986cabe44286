"""The training set that `geoseg corrections` makes: crops of the photo, labels where somebody said something."""
