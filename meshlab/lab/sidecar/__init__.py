"""The configuration of a sidecar, for real Envoy, made from a scenario and a topology alone: nothing is sent here."""
