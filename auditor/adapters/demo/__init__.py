"""A small series of checkpoints made on the spot whose truth is known, and its unplanted twin."""
