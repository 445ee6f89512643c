"""Each mesh's own words."""
