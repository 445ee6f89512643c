"""Is this a retry storm, who started it, and what would have stopped it?"""
