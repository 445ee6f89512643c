"""What a scenario may say, a module a subject: checked values, read from TOML tables."""
