"""Telemetry that other tools wrote down, as recordings: one format a module; see `registry`."""
