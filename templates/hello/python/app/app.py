from answer import answer
from wit_world import exports


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, out):
        answer(out, 200, "text/plain; charset=utf-8", "Hello from Python.\n")
