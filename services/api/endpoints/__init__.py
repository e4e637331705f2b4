"""Every endpoint of the API, one file for each group: what may be asked, and the function that answers.

What is declared here is checked, routed and described by `http/`. Descriptions and docstrings are shown to whoever
reads openapi.json. Runs are listed and changed in `runs/`.
"""
