"""Each mesh's own words, and what reads them."""
