"""The `meshlab` command."""
