"""Pages about jobs. A view parses, asks one query or calls one command, and shows what comes back."""
