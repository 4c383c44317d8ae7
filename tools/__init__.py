"""What only maintainers run. Not installed."""
