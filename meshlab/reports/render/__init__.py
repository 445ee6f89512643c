"""A page, a message and a mail from a result."""
