"""How bytes get in and out: one file per transport, one interface."""
