"""`zoo bench`: how fast this machine serves a repository's models, every answer held against what it should be."""
