"""Simulations that validate the paired test on real records."""
