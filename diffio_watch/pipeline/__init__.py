"""From the journal to the outbox: one step a state, one place that decides about errors, one that picks what is next.

`queued → uploading → generating → waiting → downloading → delivered`. A step does one effect and returns an
`Outcome`; the worker commits it; then the next step is due.
"""
