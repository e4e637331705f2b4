"""One command for a machine with a GPU: is all of it right there, how fast is it, and what takes the time?"""
