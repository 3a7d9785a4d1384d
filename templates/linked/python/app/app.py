from answer import answer
from wit_world import exports
from wit_world.imports import greetings


class IncomingHandler(exports.IncomingHandler):
    """What follows the slash is the name of whom to greet; the greeter knows how."""

    def handle(self, request, out):
        name = (request.path_with_query() or "/")[1:] or "world"
        answer(out, 200, "text/plain; charset=utf-8", greetings.greet(name) + "\n")
