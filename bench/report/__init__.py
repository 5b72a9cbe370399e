"""Pages drawn from a table: one self-contained HTML file an experiment, one for the project."""
