"""How a model answers: artifacts behind gRPC, wire-compatible with TensorFlow Serving."""
