"""A preference set before training: whom it mentions where, and what models say of those pairs."""
