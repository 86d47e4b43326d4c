"""What other people's programs read: probes as their tasks and data sets, scores as their columns."""
