"""Puts the process together, supervises it, and ends it."""
