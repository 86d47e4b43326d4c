"""Checkpoints in Hugging Face layout: from an argument to log-probabilities."""

import os

# Logits of a pack are a hundred megabytes, asked of the system anew each time: in pages of 4 KiB that can take a third
# of the time of the product that fills them. PyTorch reads this at its first allocation; Linux alone heeds it.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
