"""Logs of other suites as logs of this one."""
