"""Which names of the language have which tests: read off the tests' text, written to docs/coverage.md.

python -m testing.coverage            writes docs/coverage.md
python -m testing.coverage --check    fails if docs/coverage.md says what does not hold
python -m testing.coverage --gaps     lists the names without a test of numbers or of misuse
"""
