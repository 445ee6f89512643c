"""What a mesh's telemetry says, in frames of one vocabulary."""
