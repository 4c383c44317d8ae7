"""Records become tables and plots."""
