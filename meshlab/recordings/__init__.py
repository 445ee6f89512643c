"""Telemetry in a folder of Parquet files, and the engine that answers from it."""
