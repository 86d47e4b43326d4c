"""Faults in a probe's texts that can be seen without a model."""
