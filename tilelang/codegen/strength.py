"""How strongly C++ operators bind, loosest first."""

COND, OR, AND, BIT_OR, BIT_XOR, BIT_AND, EQUAL, RELATION, SHIFT, ADD, MUL, UNARY, PRIMARY = range(13)
