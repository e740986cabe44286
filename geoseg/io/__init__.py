"""The doors to the outside: one module opens sheets, one writes files, one reads and writes models."""
