"""Probes from files: pair files and probe folders."""
