"""How safe the mesh's traffic is, from its telemetry."""
