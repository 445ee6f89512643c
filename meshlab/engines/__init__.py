"""PromQL in, SeriesSet out."""
