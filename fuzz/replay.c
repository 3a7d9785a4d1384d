// SPDX-License-Identifier: Apache-2.0
// Runs a harness without libFuzzer: on every file of the corpus, on its beginnings and with single bits
// flipped. The mutations come from a fixed seed, so a failure repeats; it names the file and the mutation
// that it was at. Usage: fuzz_<name> FOLDER|FILE...
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

enum { SEED_BYTES_MAX = 1 << 20, TRUNCATIONS_MAX = 256, FLIPS = 256 };

typedef struct replay_place {
    char file[512];
    char step[64];
} replay_place;

// What ran when a signal or a sanitizer ends the program.
static replay_place place;

static void say_where(int number) {
    (void)!write(STDERR_FILENO, "replay: ended at ", 17);
    (void)!write(STDERR_FILENO, place.file, strlen(place.file));
    (void)!write(STDERR_FILENO, place.step, strlen(place.step));
    (void)!write(STDERR_FILENO, "\n", 1);
    signal(number, SIG_DFL);
    raise(number);
}

// A copy of exact size, so that AddressSanitizer sees one byte too far.
static void run_once(const uint8_t *data, size_t size, const char *step, uint64_t argument) {
    snprintf(place.step, sizeof place.step, ", %s %" PRIu64, step, argument);
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void run_all(uint8_t *data, size_t size) {
    run_once(data, size, "whole, bytes", size);
    size_t step = size / TRUNCATIONS_MAX + 1;
    for (size_t n = 0; n < size; n += step) {
        run_once(data, n, "cut at byte", n);
    }
    uint64_t state = 0x9e3779b97f4a7c15 ^ size;
    for (int i = 0; i < FLIPS && size > 0; i++) {
        uint64_t at = next_random(&state) % (size * 8);
        data[at / 8] ^= (uint8_t)(1U << at % 8);
        run_once(data, size, "flipped bit", at);
        data[at / 8] ^= (uint8_t)(1U << at % 8);
    }
}

static bool run_file(const char *path) {
    snprintf(place.file, sizeof place.file, "%s", path);
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(SEED_BYTES_MAX);
    if (f == NULL || data == NULL) {
        printf("replay: cannot read %s\n", path);
        free(data);
        return false;
    }
    size_t size = fread(data, 1, SEED_BYTES_MAX, f);
    fclose(f);
    run_all(data, size);
    free(data);
    return true;
}

static void run_folder(const char *folder, int *passed, int *failed) {
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort);
    if (count < 0) {
        printf("replay: cannot read %s\n", folder);
        *failed += 1;
        return;
    }
    for (int i = 0; i < count; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            *(run_file(path) ? passed : failed) += 1;
        }
        free(entries[i]);
    }
    free((void *)entries);
}

int main(int argc, char **argv) {
    signal(SIGABRT, say_where);
    signal(SIGSEGV, say_where);
    int passed = 1;
    int failed = 0;
    snprintf(place.file, sizeof place.file, "the empty input");
    run_once((const uint8_t *)"", 0, "bytes", 0);
    for (int i = 1; i < argc; i++) {
        struct stat info;
        if (stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode)) {
            run_folder(argv[i], &passed, &failed);
        } else {
            *(run_file(argv[i]) ? &passed : &failed) += 1;
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 ? 1 : 0;
}
