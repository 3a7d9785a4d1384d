// SPDX-License-Identifier: Apache-2.0
//
// A command for the tests of the command line: `args`, `env`, `cat`, `both`, `exit N`, `trap`, `spin`, `wait
// MS`.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

__attribute__((noinline)) static void command_traps_on_purpose(void) { __builtin_trap(); }

static void copy(void) {
    char bytes[4096];
    for (size_t length; (length = fread(bytes, 1, sizeof bytes, stdin)) > 0;) {
        fwrite(bytes, 1, length, stdout);
    }
}

static void read_again_and_again(int times, const char *path) {
    for (int i = 0; i < times; i++) {
        FILE *file = fopen(path, "r");
        char line[80];
        if (file != NULL && fgets(line, sizeof line, file) != NULL) {
            fputs(line, stdout);
        }
        if (file != NULL) {
            fclose(file);
        }
    }
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "args";
    const char *value = argc > 2 ? argv[2] : "0";
    if (strcmp(what, "args") == 0) {
        for (int i = 0; i < argc; i++) {
            printf("%d: %s\n", i, argv[i]);
        }
    } else if (strcmp(what, "env") == 0) {
        for (char **variable = environ; *variable != NULL; variable++) {
            printf("%s\n", *variable);
        }
    } else if (strcmp(what, "cat") == 0) {
        copy();
    } else if (strcmp(what, "both") == 0) {
        printf("to stdout\n");
        fprintf(stderr, "to stderr\n");
    } else if (strcmp(what, "exit") == 0) {
        return atoi(value);
    } else if (strcmp(what, "trap") == 0) {
        command_traps_on_purpose();
    } else if (strcmp(what, "wait") == 0) {
        usleep((useconds_t)atoi(value) * 1000);
        printf("waited\n");
    } else if (strcmp(what, "read") == 0 && argc > 3) {
        read_again_and_again(atoi(value), argv[3]);
    } else if (strcmp(what, "spin") == 0) {
        for (volatile unsigned turns = 0;; turns++) {
        }
    }
    return 0;
}
