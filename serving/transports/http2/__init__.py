"""gRPC over HTTP/2 in asyncio itself: one noun a file, `transport.py` puts them together (docs/transport.md)."""
