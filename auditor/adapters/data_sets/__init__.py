"""Public data sets as they were published: a reader each, and which file is whose."""
