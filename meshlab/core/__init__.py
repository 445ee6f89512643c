"""The nouns that everything speaks in."""
