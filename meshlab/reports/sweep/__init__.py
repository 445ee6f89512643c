"""One question about every service at once."""
