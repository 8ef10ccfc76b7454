from asyncio import *  # noqa: F403
from typing import Any

from ioxide._install import install as install
from ioxide._install import native as native
from ioxide._install import uninstall as uninstall
from ioxide._ioxide import Future as Future
from ioxide._ioxide import SocketTransport as SocketTransport
from ioxide._ioxide import Task as Task
from ioxide._ioxide import __version__ as __version__
from ioxide._loop import Loop as Loop
from ioxide._namespace import EventLoop as EventLoop
from ioxide._namespace import Runner as Runner
from ioxide._namespace import get_event_loop as get_event_loop
from ioxide._namespace import new_event_loop as new_event_loop
from ioxide._policy import EventLoopPolicy as EventLoopPolicy
from ioxide._runners import run as run
from ioxide._streams import StreamReader as StreamReader
from ioxide._streams import StreamReaderProtocol as StreamReaderProtocol
from ioxide._streams import StreamWriter as StreamWriter
from ioxide._transports import ReadPipeTransport as ReadPipeTransport
from ioxide._transports import WritePipeTransport as WritePipeTransport

__all__: list[str]

def __getattr__(name: str) -> Any: ...
