"""saescope as users install it: a wheel in an empty environment. `make test-wheel` starts these tests."""
