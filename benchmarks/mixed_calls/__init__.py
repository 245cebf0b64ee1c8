"""A million mixed calls to a server of ours, every answer checked."""
