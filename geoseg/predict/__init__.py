"""The model side: network -> scores of patches -> blended strips. Knows no files, no click, no Dask."""
