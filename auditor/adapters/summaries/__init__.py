"""What a finished run found, in brief, for other places than its own page: Markdown, CSV, JSON and model cards."""
