"""What an operator types: the commands, their options and their help."""
