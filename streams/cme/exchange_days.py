"""Business days of exchanges from the package ``exchange_calendars`` (extra ``cme``): London's and New York's holidays.

Read by the shell, once, and handed to the core: ``Calendars(business_days("XLON", ...), business_days("XNYS", ...))``.  The London
Stock Exchange closes on England's bank holidays.  New York's closes on the federal holidays that CME's products observe and on
Good Friday, and on days of mourning, when CME itself may be open: such a day can be given by a calendar of your own.
"""

from __future__ import annotations

import warnings
from datetime import date

from streams.cme.days import BusinessDays, Calendars, business_days_of_sessions

LONDON, NEW_YORK = "XLON", "XNYS"


def business_days(exchange: str, first: date, last: date) -> BusinessDays:
    """Business days of an exchange by its ISO 10383 code.

    Raises
    ------
    ModuleNotFoundError : the package is not installed (pip install 'greekstream[cme]').
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses what the newest pandas deprecates
        import exchange_calendars

        calendar = exchange_calendars.get_calendar(exchange, start=first.isoformat(), end=last.isoformat())
        sessions = [session.date() for session in calendar.sessions]
    return business_days_of_sessions(exchange, sessions, first, last)


def calendars(first: date, last: date) -> Calendars:
    """London's and the United States' business days."""
    return Calendars(business_days(LONDON, first, last), business_days(NEW_YORK, first, last))
