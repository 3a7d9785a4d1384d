from wit_world import exports


class Greetings(exports.Greetings):
    def greet(self, name):
        return f"Hello, {name}. This is the greeter, in Python."
