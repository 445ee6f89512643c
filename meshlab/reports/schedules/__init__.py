"""Reports on a timer: what ``[[report]]`` and ``[notify.NAME]`` of meshlab.toml say, and what becomes of it."""
