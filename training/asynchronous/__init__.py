"""Training with parameter servers: workers that take steps without waiting for each other."""
