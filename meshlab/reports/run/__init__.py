"""A notebook, run through papermill."""
