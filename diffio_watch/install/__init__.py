"""How the program becomes a service of this machine: which files, which commands, and how a version gives way."""
