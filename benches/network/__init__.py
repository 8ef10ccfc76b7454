"""Network: servers and clients of every kind that asyncio has, and the plain epoll server beside them."""

from benches.network import bulk, echo, rates

ROWS = [*echo.ROWS, *rates.ROWS, *bulk.ROWS]
