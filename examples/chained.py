"""Chain coroutines: each step needs the result of the one before it, and yet many chains go on at once.

Plain asyncio; nothing in here names an event loop, so the same file runs on any of them:

    python examples/chained.py
    python -m ioxide examples/chained.py

A letter to a customer takes three steps, one after another: find the account, fetch its orders, write the letter. Each
is a coroutine that waits, as if for a network, and `letter_to` chains them: the result of one is what the next is
called with. The letters are written twice, first one after another and then all at once, and a timeline shows what
overlapped: never the steps of one chain, but, the second time, the chains.

A customer who isn't known ends its own chain and no other. Exit code: 0; 1 when a customer wasn't found, with the
names; 2 when the command line is wrong; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import command_line
from timeline import Clock, Timeline

LEGEND = "a: finds the account   o: fetches the orders   w: writes the letter"

# Where the chained coroutines look things up: accounts by name, orders by account.
ACCOUNTS = {"Ada": 17, "Edsger": 4, "Grace": 23, "Alan": 8}
ORDERS = {17: ["engine", "punched cards"], 4: ["semaphore"], 23: ["compiler", "clock", "moth"], 8: ["tape"]}


class UnknownCustomerError(Exception):
    """There is no account of this name."""


@dataclass
class Office:
    """Where letters are written. Each coroutine takes its time, and shows it in the timeline."""

    clock: Clock
    timeline: Timeline

    async def find_account(self, customer: str) -> int:
        """Find the number of a customer's account."""
        with self.timeline.during(customer, "a"):
            await self.clock.wait(2)
            try:
                return ACCOUNTS[customer]
            except KeyError:
                raise UnknownCustomerError(f"no account for {customer}") from None

    async def fetch_orders(self, customer: str, account: int) -> list[str]:
        """Fetch what was ordered on an account; the more there is, the longer it takes."""
        with self.timeline.during(customer, "o"):
            orders = ORDERS[account]
            await self.clock.wait(2 * len(orders))
            return orders

    async def write_letter(self, customer: str, orders: list[str]) -> str:
        """Write the letter."""
        with self.timeline.during(customer, "w"):
            await self.clock.wait(3)
            return f"Dear {customer}, your {' and your '.join(orders)} will come soon."

    async def letter_to(self, customer: str) -> str:
        """Chain the three: what one returns is what the next needs, so that none can begin before the last has ended.

        An error in one of them ends the chain there: it is raised here, as from any function that is called.
        """
        account = await self.find_account(customer)
        orders = await self.fetch_orders(customer, account)
        return await self.write_letter(customer, orders)


Letters = dict[str, str | UnknownCustomerError]


async def one_after_another(office: Office, customers: list[str]) -> Letters:
    """Write each letter when the last one is written. While one waits, nothing else happens."""
    letters: Letters = {}
    for customer in customers:
        try:
            letters[customer] = await office.letter_to(customer)
        except UnknownCustomerError as error:
            letters[customer] = error
    return letters


async def all_at_once(office: Office, customers: list[str]) -> Letters:
    """Write all the letters at once: `gather` makes a task of each chain, and while one waits, the others go on."""
    chains = (office.letter_to(customer) for customer in customers)
    outcomes = await asyncio.gather(*chains, return_exceptions=True)
    letters: Letters = {}
    for customer, outcome in zip(customers, outcomes, strict=True):
        # return_exceptions=True hands over any exception; one that nobody foresaw is not to be swallowed.
        if isinstance(outcome, BaseException) and not isinstance(outcome, UnknownCustomerError):
            raise outcome
        letters[customer] = outcome
    return letters


async def show(
    clock: Clock, heading: str, write: Callable[[Office, list[str]], Awaitable[Letters]], customers: list[str]
) -> Letters:
    """Have the letters written in one of the two ways, and print the timeline."""
    timeline = Timeline(clock, customers)
    letters = await write(Office(clock, timeline), customers)
    print(f"{heading}: {timeline.steps} steps, at most {timeline.most_at_once('aow')} at once")
    print(timeline.text(), end="\n\n", flush=True)
    return letters


async def write_all(customers: list[str], seconds_of_a_step: float) -> int:
    """Write the letters in both ways, compare, and print them."""
    async with Clock(seconds_of_a_step) as clock:
        print(LEGEND, end="\n\n", flush=True)
        await show(clock, "One after another", one_after_another, customers)
        letters = await show(clock, "All at once", all_at_once, customers)
    failures = [outcome for outcome in letters.values() if isinstance(outcome, UnknownCustomerError)]
    for outcome in letters.values():
        if isinstance(outcome, str):
            print(outcome)
    for failure in failures:
        print(f"chained: {failure}", file=sys.stderr)
    return command_line.PARTLY_FAILED if failures else command_line.DONE


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Write letters in chains of coroutines, and show what overlapped.")
    parser.add_argument(
        "customers", metavar="CUSTOMER", nargs="*", default=list(ACCOUNTS), help=f"default: {' '.join(ACCOUNTS)}"
    )
    parser.add_argument(
        "--step", metavar="SECONDS", type=command_line.seconds, default=0.05, help="time of a step (default: 0.05)"
    )
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit code."""
    arguments = parse_arguments()
    customers = list(dict.fromkeys(arguments.customers))
    return command_line.run("chained", write_all(customers, arguments.step))


if __name__ == "__main__":
    sys.exit(main())
