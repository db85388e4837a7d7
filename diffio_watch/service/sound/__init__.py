"""Listening: what recordings and their restorations look and measure like, and what a browser can play of them.

Decoders of strangers' files run in a child process alone (`child`), which PyAV, the extra `waveforms`, brings. Without
it everything else is whole.
"""
