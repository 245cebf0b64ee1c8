"""Rows from files of one's own; a module for each kind, and what they share."""
