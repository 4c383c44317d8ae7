"""The worker processes: `python -m harness.executors.worker READ,WRITE …`, a pair for each.

What they need is imported once, then they are forked, so that they share its memory. They see no
GPU: the model is asked over the channel, and mteb's small products are quicker without one.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

__all__: list[str] = []


def main(pairs: Sequence[str]) -> None:
    """Fork a worker for each pair of file descriptors, and wait for all of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one with the model decides when to stop
    from harness.console import quiet_libraries

    quiet_libraries()
    import mteb  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import torch

    import harness.executors.local
    import harness.jobs  # noqa: F401

    lines = [tuple(map(int, pair.split(","))) for pair in pairs]
    for line in lines:
        if os.fork() == 0:
            for other in lines:
                if other != line:
                    for descriptor in other:
                        os.close(descriptor)
            torch.set_num_threads(1)
            serve(*line)
            os._exit(0)
    for line in lines:
        for descriptor in line:
            os.close(descriptor)
    for _ in lines:
        os.wait()


def serve(reader: int, writer: int) -> None:
    """Do what comes, until nothing does."""
    from harness.executors.channel import Channel, Work

    channel = Channel(reader, writer)
    try:
        while isinstance(work := channel.receive(), Work):
            _work(channel, work)
    except (EOFError, BrokenPipeError):  # the one with the model is gone
        return


def _work(channel: object, work: object) -> None:
    from harness.executors.channel import Channel, Fetching, Result, Work
    from harness.executors.local import failure
    from harness.executors.parcel import Desk, Finished
    from harness.executors.pool import usable_cores
    from harness.executors.remote import RemoteModel

    assert isinstance(channel, Channel)
    assert isinstance(work, Work)
    desk = Desk(
        backend=None,
        fetching=lambda data: channel.send(Fetching(data)),
        processes=max(1, usable_cores() // 2),
    )
    if work.facts is not None:
        model = RemoteModel(channel, work.facts)
        desk = replace(desk, backend=model, open_search=model.open_search, clock=model.clock)
    try:
        for result in work.parcel.work(desk):
            channel.send(Result(result))
    except (EOFError, BrokenPipeError):
        raise
    except BaseException as error:  # whatever it is, the one with the model reports it
        channel.send(Result(failure(error)))
    else:
        channel.send(Result(Finished()))


if __name__ == "__main__":
    main(sys.argv[1:])
