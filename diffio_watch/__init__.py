"""Restores recordings dropped into a watched folder through the Diffio service."""

__version__ = "0.1.0"
