"""What the API answers, as types. openapi.json is generated from them, and the viewer's types from that.

The descriptions are shown to whoever reads openapi.json. Nothing is computed here, and answers aren't checked against
these types while serving: TypedDicts are plain dictionaries, and mypy checks the code that builds them. The TypedDict
is that of typing_extensions, which pydantic needs until Python 3.12.
"""
