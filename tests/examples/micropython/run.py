"""Runs one MicroPython script of examples/ with this Python: run.py SCRIPT.

What a board has and a computer has not stands in this folder: sensor, pins, network, umqtt, and the
settings, which come from the environment."""

import os
import runpy
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.dont_write_bytecode = True
script = os.path.abspath(sys.argv[1])
# settings.py of the examples must not be found before ours.
sys.path[:0] = [HERE, os.path.dirname(script)]

time.ticks_ms = lambda: int(time.monotonic() * 1000) & 0x3FFFFFFF
time.ticks_diff = lambda a, b: ((a - b + 0x20000000) & 0x3FFFFFFF) - 0x20000000
time.sleep_ms = lambda ms: time.sleep(ms / 1000)
sys.argv = [script]
runpy.run_path(script, run_name="__main__")
