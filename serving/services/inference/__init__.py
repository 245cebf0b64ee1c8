"""The Open Inference Protocol v2 (`inference.GRPCInferenceService`), with those extensions of Triton's that clients use."""
