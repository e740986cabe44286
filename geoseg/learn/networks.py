"""The earlier import path of `geoseg.networks`, kept for scripts that use it."""

from geoseg.networks import make_network

__all__ = ["make_network"]
