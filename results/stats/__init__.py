"""Is a difference between two models more than chance? One method for every task type."""
