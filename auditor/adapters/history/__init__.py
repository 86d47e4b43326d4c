"""All runs of a project side by side: how harm went from one audit to the next."""
