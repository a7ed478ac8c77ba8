"""One thread that owns what only one thread may touch, such as everything of CUDA."""

from __future__ import annotations

import threading
import traceback
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Generic, TypeAlias, TypeVar

from pigeon_edge.errors import EngineError

QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")

Answer: TypeAlias = Callable[[QuestionT], AnswerT]
Life: TypeAlias = Callable[[Callable[[Answer[QuestionT, AnswerT]], None]], None]
"""Opens what the thread owns, calls what it is given with a function that answers questions, releases it after that."""


class Owner(Generic[QuestionT, AnswerT]):
    """A thread that lives through ``life``; all other threads ``ask`` it, and may do so at once.

    Once the owner is closed, forgotten, or Python exits, ``life`` has ended. Raises what ``life`` raises on the way to
    its first question.

    The thread is a daemon: Python would wait for any other thread, and for a pool's, before it calls what is to be
    called at exit, so that a forgotten owner could never end, and pycuda aborts where a thread ends with a context.
    """

    def __init__(self, life: Life[QuestionT, AnswerT]) -> None:
        self._questions: SimpleQueue[tuple[QuestionT, Future[AnswerT]] | None] = SimpleQueue()
        self._lock = threading.Lock()
        opened: Future[None] = Future()
        ended: Future[None] = Future()
        thread = threading.Thread(target=_live, args=(life, self._questions, opened, ended), daemon=True)
        thread.start()
        self._stop = weakref.finalize(self, _stop, self._questions, thread, ended)
        try:
            opened.result()
        except BaseException:
            self.close()
            raise
        finally:
            del opened

    def ask(self, question: QuestionT) -> AnswerT:
        """Return the answer to a question, or raise what answering it raises. Raises EngineError once it is closed."""
        future: Future[AnswerT] = Future()
        with self._lock:
            if not self._stop.alive:
                raise EngineError("this encoder is closed; open it again")
            self._questions.put((question, future))
        try:
            return future.result()
        finally:
            del future  # its error's traceback would hold this frame, which holds it: a circle

    def close(self) -> None:
        """Answer what has been asked, then end the thread; may be called again. Raises what releasing raises."""
        with self._lock:
            ended = self._stop()
        if ended is not None:
            ended.result()


def _stop(questions: SimpleQueue[Any], thread: threading.Thread, ended: Future[None]) -> Future[None]:
    questions.put(None)
    if threading.current_thread() is not thread:  # where Python's collector runs is chance
        thread.join()
    return ended


def _live(
    life: Life[QuestionT, AnswerT],
    questions: SimpleQueue[tuple[QuestionT, Future[AnswerT]] | None],
    opened: Future[None],
    ended: Future[None],
) -> None:
    def serve(answer: Answer[QuestionT, AnswerT]) -> None:
        opened.set_result(None)
        for question, future in iter(questions.get, None):
            _reply(answer, question, future)

    try:
        life(serve)
    except BaseException as error:  # other threads are told, this one has nobody to tell
        (ended if opened.done() else opened).set_exception(_in_words(error))
    if not ended.done():
        ended.set_result(None)


def _reply(answer: Answer[QuestionT, AnswerT], question: QuestionT, future: Future[AnswerT]) -> None:
    try:
        future.set_result(answer(question))
    except BaseException as error:
        future.set_exception(_in_words(error))


class ElsewhereError(Exception):
    """Stands as the cause of an error that another thread raised, with that thread's traceback as text."""


def _in_words(error: BaseException) -> BaseException:
    """Return an error for another thread, its traceback in words.

    Frames hold what they work on, and the frames that called them: whoever kept the error would keep all that is owned.
    """
    told = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    let_go(error)
    error.__traceback__, error.__context__, error.__cause__ = None, None, ElsewhereError("\n" + told)
    return error


def let_go(error: BaseException) -> None:
    """Empty the frames that an error and those behind it have left, so that it keeps nothing alive."""
    for behind in (error.__cause__, error.__context__):
        if behind is not None:
            let_go(behind)
    traceback.clear_frames(error.__traceback__)
