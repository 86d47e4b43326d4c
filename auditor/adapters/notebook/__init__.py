"""A finished run as an object, for Python and for notebooks."""
