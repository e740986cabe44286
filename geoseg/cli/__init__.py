"""One module per command; click lives only here. Parse, one library call, error to message and exit code."""
