"""`python -m ioxide`: run an unmodified asyncio program on ioxide. All of it stands in `ioxide._command_line`."""

from ioxide._command_line import main

if __name__ == "__main__":
    main()
