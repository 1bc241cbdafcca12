"""When a billing period ends; pure date arithmetic in UTC."""

import calendar
from datetime import UTC, datetime, timedelta
from typing import Final

DAY_SECONDS: Final = 86_400
HOUR_SECONDS: Final = 3_600
_MONTHS: Final = {"month": 1, "year": 12}
_DAYS: Final = {"day": 1, "week": 7}
_YEAR: Final = 12


def period_end(anchor: int, start: int, *, interval: str, interval_count: int) -> int:
    """The end of the period beginning at `start`, on the anchor's day of the month or the month's last."""
    if interval in _DAYS:
        return start + int(timedelta(days=_DAYS[interval] * interval_count).total_seconds())
    first, current = datetime.fromtimestamp(anchor, UTC), datetime.fromtimestamp(start, UTC)
    passed = (current.year - first.year) * _YEAR + current.month - first.month
    return _add_months(first, passed + _MONTHS[interval] * interval_count)


def _add_months(moment: datetime, months: int) -> int:
    year, month = divmod(moment.year * _YEAR + moment.month - 1 + months, _YEAR)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return int(moment.replace(year=year, month=month + 1, day=day).timestamp())
