"""A Hub on 127.0.0.1 for tests: the part of huggingface.co's HTTP API that pushing and loading use, in memory.

`server.py` starts it, `app.py` has its routes, `store.py` what it keeps: repositories, commits, LFS files, tokens;
`jobs.py` runs jobs.
"""
