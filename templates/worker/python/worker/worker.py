from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import consumer
from wit_world.imports.types import BrokerMessage


class Handler(exports.Handler):
    """One message at a time; a fresh instance for each. What is raised as Err is in the log of the host."""

    def handle_message(self, msg):
        if msg.reply_to is None:
            raise Err("nobody waits for an answer")
        text = f"Hello, {msg.body.decode()}. This is the worker, in Python."
        consumer.publish(BrokerMessage(subject=msg.reply_to, body=text.encode(), reply_to=None))
