"""Statistics on rows: plain functions of numbers, without a model, a clock or a file."""
