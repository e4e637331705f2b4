"""The API and the viewer's pages, as fast as they promise?"""
