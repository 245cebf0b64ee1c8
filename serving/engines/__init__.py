"""What executes a servable: one file per engine, one interface."""
