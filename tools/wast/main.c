// SPDX-License-Identifier: Apache-2.0
// writ-wast [-v] FILE.json...: runs scripts that `wasm-tools json-from-wast` has converted, on Writ's engine
// and component layer. Prints each failure with file and line, a line per file, and last the sum. Exit status
// 1 when anything failed, 2 when it was called wrongly.
#include <stdio.h>
#include <string.h>

#include "script.h"

static const char usage[] =
    "usage: writ-wast [-v] FILE.json...\n"
    "Runs scripts converted by `wasm-tools json-from-wast`; -v shows what is skipped and why.\n";

static void print_counts(const wast_counts *c) {
    printf("%u passed, %u failed, %u skipped\n", c->passed, c->failed, c->skipped);
}

int main(int argc, char **argv) {
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    int first = verbose ? 2 : 1;
    if (first >= argc || argv[first][0] == '-') {
        bool help = first < argc && strcmp(argv[first], "--help") == 0;
        fputs(usage, help ? stdout : stderr);
        return help ? 0 : 2;
    }
    engine_options options = engine_options_default();
    options.level = ENGINE_ON_DEMAND; // scripts make many instances and keep them
    options.compiles = true;
    err e;
    engine *g;
    if (engine_new(&options, &g, &e) != STATUS_OK) {
        fprintf(stderr, "writ-wast: %s\n", e.message);
        return 2;
    }
    wast_counts total = {0};
    for (int i = first; i < argc; i++) {
        wast_counts counts = {0};
        wast_run_script(g, argv[i], verbose, &counts);
        printf("%s: ", argv[i]);
        print_counts(&counts);
        total.passed += counts.passed;
        total.failed += counts.failed;
        total.skipped += counts.skipped;
    }
    engine_free(g);
    print_counts(&total);
    return total.failed > 0;
}
