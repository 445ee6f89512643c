"""What turns a result into something to look at."""
