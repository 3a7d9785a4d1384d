export const greetings = {
  greet(name) {
    return `Hello, ${name}. This is the greeter, in JavaScript.`;
  },
};
