"""Where other programs call the audit: inside a training loop, so far."""
