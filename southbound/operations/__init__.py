"""What each command does. The help of a command (`southbound/cli`) describes it.

The function here names its command.
"""
