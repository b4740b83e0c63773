"""Dealer flow, the pure core: from greeks and the dealers' positions to exposures, flips, walls, hedge pressure and labels.

settings     every threshold, with its reason         book, board   the book of a moment in columns, and how rows become one
sources      whose greeks, which numeraire, coverage  exposures     NGI, VSS, CHL, VOLG, DEX by strike and expiry
repricing    the book anywhere                        flips         zeros of the profile, with bands
side         dealers' positions from trades and open interest
"""
