"""What carries a number, on the page: by role of token, by layer and module."""
