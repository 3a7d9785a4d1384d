from answer import answer
from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import consumer

PATIENCE_MS = 2000


class IncomingHandler(exports.IncomingHandler):
    """What follows the slash is the name of whom to greet; whoever works on `jobs.greet` knows how."""

    def handle(self, request, out):
        name = (request.path_with_query() or "/")[1:] or "world"
        try:
            reply = consumer.request("jobs.greet", name.encode(), PATIENCE_MS)
        except Err as error:
            answer(out, 503, "text/plain; charset=utf-8", f"Nobody greets: {error.value}\n")
        else:
            answer(out, 200, "text/plain; charset=utf-8", reply.body.decode() + "\n")
