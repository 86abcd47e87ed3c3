"""Digests: what need not be told at once, in one mail for each receiver, whenever its schedule says."""
