from answer import answer
from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import atomics, store


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, out):
        try:
            # Atomic: two requests at one time, in any process, never get the same number.
            visits = atomics.increment(store.open("pages"), "visits", 1)
        except Err:
            answer(out, 503, "text/plain; charset=utf-8", "The counter cannot be reached.\n")
        else:
            answer(out, 200, "text/plain; charset=utf-8", f"Hello, visitor number {visits}.\n")
