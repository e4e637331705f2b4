"""HTTP for the endpoints: requests checked, answers sent and kept, events, openapi.json, the viewer's files.

How endpoints are declared is in `endpoint_declaration.py`; which there are is not known here.
"""
