"""The runs on this disk: what there are, and what is different between them."""
