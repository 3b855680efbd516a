"""Runs a program at a pseudo-terminal and prints what it writes there.

usage: terminal.py PROGRAM ARGUMENT...
"""

import pty
import sys

pty.spawn(sys.argv[1:])
