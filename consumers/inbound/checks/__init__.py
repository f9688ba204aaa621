"""Check runs whose time has come: ask their system for what is missing, and end what is too late."""
