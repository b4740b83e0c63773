"""Dealer flow: whose options the dealers hold, and what they must hedge.  Pure folds; the shell is beside them."""
