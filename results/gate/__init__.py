"""The regression gate: a reference, a policy, and what they say of newly measured records."""
