"""What is in a stranger's store, and what can be asked of it: the first ten minutes, in ten seconds."""
