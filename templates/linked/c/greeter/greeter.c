#include "greeter.h" // generated from wit/world.wit

#include <stdlib.h>
#include <string.h>

// What it returns belongs to the caller; what it was handed belongs to it.
void exports_greetings_greet(greeter_string_t *name, greeter_string_t *ret) {
    static const char before[] = "Hello, ", after[] = ". This is the greeter, in C.";
    size_t room = name->len + sizeof before + sizeof after;
    ret->ptr = malloc(room);
    if (ret->ptr == NULL) {
        abort();
    }
    ret->len = 0;
    memcpy(ret->ptr, before, sizeof before - 1);
    memcpy(ret->ptr + sizeof before - 1, name->ptr, name->len);
    memcpy(ret->ptr + sizeof before - 1 + name->len, after, sizeof after - 1);
    ret->len = name->len + sizeof before - 1 + sizeof after - 1;
    greeter_string_free(name);
}
