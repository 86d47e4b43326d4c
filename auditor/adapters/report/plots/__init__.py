"""The page's figures: what each is made of, and which cells it draws."""
