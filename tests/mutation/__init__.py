"""Mutation testing: small mistakes put into the code one at a time, to see which the tests catch.

`python -m tests.mutation WORK` draws mutants, measures once which tests reach which line, and runs each mutant against
those tests in a copy of the tree. `--compare BEFORE AFTER` says which mutants are caught by only one of two suites. Use
it before and after tests are removed or rewritten. It isn't part of `make test`, as it takes an hour or more.
"""
