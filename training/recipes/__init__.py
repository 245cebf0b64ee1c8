"""The shipped experiments, one YAML file each: command, hardware, wall time and measured result in its header."""
