"""A checkpoint from an argument to a whole model in memory: its files, what they say, and how they are loaded."""
