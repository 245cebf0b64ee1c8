"""Versions that are run by a process of their own, so that nothing that it does holds up the answers of others.

loader -> engine -> process   in the server
                       |
host                          in the other process; `messages` is what they say to each other
"""
