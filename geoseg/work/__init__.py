"""Work that other processes can do: one kind of task, done in this process, by local workers or on a Dask cluster."""
