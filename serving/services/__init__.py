"""What each wire protocol says: decode a request, ask the manager, encode the answer."""
