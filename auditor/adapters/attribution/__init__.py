"""Which words, which tokens, which part of a model carries a margin: each method gives parts that add up."""
