"""Judging all subjects of a sweep at once, in any executor, through workers that die."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from importlib import import_module

from meshlab.core.running import on_safe_path
from meshlab.errors import ParameterError
from meshlab.reports.sweep.judging import Done, Task, failed, judged

__all__ = ["executors", "judge_all"]


def judge_all(tasks: Sequence[Task], executor: Callable[[], Executor]) -> Iterator[tuple[Task, Done]]:
    """Judge all, in the order in which they are ready; workers that die take nobody along."""
    left = list(tasks)
    # Workers are started by `python -c`, which would look for modules in the working folder first.
    with on_safe_path():
        try:
            for task, done in _at_once(left, executor):
                left.remove(task)
                yield task, done
        except BrokenExecutor:
            # Somebody killed a worker (the kernel, for its memory): one at a time shows on whose account.
            for task in list(left):
                yield task, _alone(task, executor)


def _at_once(tasks: Sequence[Task], executor: Callable[[], Executor]) -> Iterator[tuple[Task, Done]]:
    if not tasks:
        return
    pool = executor()
    waiting: dict[Future[Done], Task] = {}
    try:
        waiting |= {pool.submit(judged, task): task for task in tasks}
        for future in as_completed(waiting):
            yield waiting[future], _done(future, waiting[future])
    finally:
        # Dask's executor cannot cancel by its shutdown.
        for future in waiting:
            future.cancel()
        pool.shutdown(wait=True)


def _done(future: Future[Done], task: Task) -> Done:
    try:
        return future.result()
    except BrokenExecutor:
        raise
    except Exception as error:  # noqa: BLE001 - such as an answer that cannot be carried over
        return failed(task, f"{type(error).__name__}: {error}")


def _alone(task: Task, executor: Callable[[], Executor]) -> Done:
    try:
        ((_, done),) = _at_once([task], executor)
    except BrokenExecutor:
        return failed(task, "its worker died twice; the machine may be short of memory: ask about a shorter window")
    return done


def executors(kind: str, jobs: int, dask: str = "") -> Callable[[], Executor]:
    """How to make an executor.

    Parameters
    ----------
    kind : str
        ``processes`` or ``threads``.
    jobs : int
        Workers; 0: one for each core.
    dask : str
        Address of a Dask scheduler, in place of both.

    Raises
    ------
    ParameterError
        Dask is not installed.
    """
    if dask:
        return lambda: _dask(dask)
    workers = jobs or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if kind == "threads":
        from concurrent.futures import ThreadPoolExecutor

        return lambda: ThreadPoolExecutor(workers)
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # Forking a process that has threads (those of pyarrow and of the store's client) may hang.
    return lambda: ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def _dask(address: str) -> Executor:
    try:
        client = import_module("distributed").Client
    except ModuleNotFoundError:
        raise ParameterError("--dask needs the package distributed", 'pip install "meshlab[dask]"') from None
    try:
        connected = client(address, timeout="10s")
    except (OSError, TimeoutError, ValueError) as e:
        raise ParameterError(f"no Dask scheduler answers at {address}: {e}", "check the address") from None
    executor: Executor = connected.get_executor(pure=False)
    end = executor.shutdown

    def shutdown(wait: bool = True, *, cancel_futures: bool = False) -> None:
        end(wait=wait)
        connected.close()

    executor.shutdown = shutdown  # type: ignore[method-assign]
    return executor
