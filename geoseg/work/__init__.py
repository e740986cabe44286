"""Work that other processes can do: one kind of task, done here, on workers of this machine or on a Dask cluster."""
