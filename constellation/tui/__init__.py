"""The terminal interface: a client of a hub that draws what happens and takes orders."""
