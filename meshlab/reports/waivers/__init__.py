"""What somebody accepts for a while, and whose a service is."""
