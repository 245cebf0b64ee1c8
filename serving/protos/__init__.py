"""Messages of the wire, wire-compatible with TensorFlow Serving's; `make protos` generates the stubs."""
