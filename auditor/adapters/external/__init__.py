"""Scores that other programs make: what is written for them to score, and what comes back."""
