"""One file per architecture family: its config and its backbone."""
