"""What each part of a model adds to a margin along the straight line between two checkpoints' weights."""
