"""Run a notebook, publish its result."""
