"""One folder for each question an SRE asks."""
