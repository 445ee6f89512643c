"""PromQL over a recording: promql-parser's syntax tree, evaluated on whole arrays (series x steps)."""
