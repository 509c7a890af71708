"""Runs a program of Python and prints its peak of resident memory, in bytes, to standard error: peak-memory.py FILE ARG…"""

import resource
import subprocess
import sys

code = subprocess.run([sys.executable, *sys.argv[1:]]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, file=sys.stderr)
sys.exit(code)
