"""What pages that are served to one person on this machine have in common: the gate, the server, the texts."""
