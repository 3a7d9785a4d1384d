// SPDX-License-Identifier: Apache-2.0
// sim_lattice [--seeds N] [--first SEED] [--jobs N]   runs N seeds, and all that shows that failures are seen
// sim_lattice --seed SEED [--break WHAT]              one, told step by step
// sim_lattice --traffic HOSTS                         what hosts say to each other, up to so many
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "script.h"

enum {
    SEEDS = 10000,
    BREAK_SEEDS_MAX = 200,
    AGAIN_SEEDS = 10,
    JOBS_MAX = 64,
    TOLD_FAILURES_MAX = 20,
    TRAFFIC_COMPONENTS = 10
};

typedef struct options {
    uint64_t first, seeds, one;
    bool is_one;
    sim_break broken;
    unsigned jobs;
    size_t traffic; // 0: not asked for
} options;

typedef struct sums {
    uint64_t passed, failed;
    sim_outcome all;
} sums;

static void add(sums *to, const sim_outcome *o, bool is_well) {
    *(is_well ? &to->passed : &to->failed) += 1;
    to->all.turns += o->turns;
    to->all.calls += o->calls;
    to->all.ok += o->ok;
    to->all.refused += o->refused;
    to->all.lost += o->lost;
    to->all.served += o->served;
    to->all.lives += o->lives;
    to->all.acknowledged += o->acknowledged;
    to->all.refusals += o->refusals;
}

static void tell_failure(uint64_t seed, const char *why) {
    printf("FAIL seed %llu: %s\n     again: sim_lattice --seed %llu\n", (unsigned long long)seed, why,
           (unsigned long long)seed);
}

// --- many seeds --------------------------------------------------------------------------------------------

// Every `jobs`-th seed, in a process of its own.
static int child(const options *o, unsigned job, int out) {
    sums s = {0};
    sim_outcome outcome;
    for (uint64_t i = job; i < o->seeds; i += o->jobs) {
        bool is_well = sim_run(o->first + i, SIM_BREAK_NOTHING, false, &outcome);
        if (!is_well && s.failed < TOLD_FAILURES_MAX) {
            tell_failure(o->first + i, outcome.why);
        }
        add(&s, &outcome, is_well);
    }
    fflush(stdout);
    return write(out, &s, sizeof s) == (ssize_t)sizeof s ? 0 : 1;
}

static bool read_sums(int in, sums *to) {
    sums s;
    if (read(in, &s, sizeof s) != (ssize_t)sizeof s) {
        return false;
    }
    to->passed += s.passed;
    to->failed += s.failed;
    add(to, &s.all, true);
    to->passed--;
    return true;
}

static sums run_seeds(const options *o) {
    sums all = {0};
    int ends[JOBS_MAX];
    pid_t pids[JOBS_MAX];
    for (unsigned i = 0; i < o->jobs; i++) {
        int fds[2];
        fflush(stdout);
        CHECK(pipe(fds) == 0);
        pids[i] = fork();
        CHECK(pids[i] >= 0);
        if (pids[i] == 0) {
            close(fds[0]);
            int code = child(o, i, fds[1]);
            exit(code);
        }
        close(fds[1]);
        ends[i] = fds[0];
    }
    for (unsigned i = 0; i < o->jobs; i++) {
        int code = 0;
        bool is_read = read_sums(ends[i], &all);
        close(ends[i]);
        while (waitpid(pids[i], &code, 0) < 0 && errno == EINTR) {
        }
        if (!is_read || code != 0) {
            printf("FAIL a process with seeds %llu + %u and every %u-th after it died\n",
                   (unsigned long long)o->first, i, o->jobs);
            all.failed++;
        }
    }
    return all;
}

// --- that failures are seen --------------------------------------------------------------------------------

static void expect_seen(sim_break b, sums *to) {
    sim_outcome outcome = {0};
    for (uint64_t seed = 1; seed <= BREAK_SEEDS_MAX; seed++) {
        if (!sim_run(seed, b, false, &outcome)) {
            printf("ok   broken %s is seen with seed %llu: %s\n", sim_break_name(b), (unsigned long long)seed,
                   outcome.why);
            to->passed++;
            return;
        }
    }
    printf("FAIL broken %s is not seen with %d seeds\n", sim_break_name(b), BREAK_SEEDS_MAX);
    to->failed++;
}

static void expect_same_again(uint64_t first, sums *to) {
    for (uint64_t seed = first; seed < first + AGAIN_SEEDS; seed++) {
        sim_outcome a, b;
        sim_run(seed, SIM_BREAK_NOTHING, false, &a);
        sim_run(seed, SIM_BREAK_NOTHING, false, &b);
        if (a.random != b.random || a.turns != b.turns || a.calls != b.calls || a.ok != b.ok) {
            printf("FAIL seed %llu goes another way the second time\n", (unsigned long long)seed);
            to->failed++;
            return;
        }
    }
    to->passed++;
}

static void tell_sums(const sums *s, uint64_t seeds) {
    const sim_outcome *a = &s->all;
    printf("%llu seeds: %llu lives of hosts, %llu changes of links acknowledged, %llu calls: %llu answered, "
           "%llu "
           "refused, %llu lost; %llu served; %llu messages not believed; %llu turns\n",
           (unsigned long long)seeds, (unsigned long long)a->lives, (unsigned long long)a->acknowledged,
           (unsigned long long)a->calls, (unsigned long long)a->ok, (unsigned long long)a->refused,
           (unsigned long long)a->lost, (unsigned long long)a->served, (unsigned long long)a->refusals,
           (unsigned long long)a->turns);
}

static int run_all(const options *o) {
    sums all = run_seeds(o);
    tell_sums(&all, o->seeds);
    expect_same_again(o->first, &all);
    for (sim_break b = SIM_BREAK_NOTHING + 1; b < SIM_BREAK_COUNT; b++) {
        expect_seen(b, &all);
    }
    printf("%llu passed, %llu failed\n", (unsigned long long)all.passed, (unsigned long long)all.failed);
    return all.failed == 0 ? 0 : 1;
}

static int run_one(const options *o) {
    sim_outcome outcome;
    sums s = {0};
    bool is_well = sim_run(o->one, o->broken, true, &outcome);
    add(&s, &outcome, is_well);
    tell_sums(&s, 1);
    if (!is_well) {
        tell_failure(o->one, outcome.why);
    }
    printf("%d passed, %d failed\n", is_well, !is_well);
    return is_well ? 0 : 1;
}

static int tell_traffic(const options *o) {
    static const size_t counts[] = {10, 50, 100, 200};
    printf(
        "| hosts | said/s | bytes/s | heard/s | bytes/s | one that joins knows all after | having heard |\n"
        "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && counts[i] <= o->traffic; i++) {
        sim_traffic t;
        sim_measure(counts[i], TRAFFIC_COMPONENTS, &t);
        printf("| %zu | %.2f | %.0f | %.1f | %.0f | %.2f s | %.0f bytes |\n", t.hosts, t.out_per_s,
               t.out_bytes_per_s, t.in_per_s, t.in_bytes_per_s, t.join_s, t.join_bytes);
        fflush(stdout);
    }
    return 0;
}

static bool read_break(const char *text, sim_break *ret) {
    for (sim_break b = SIM_BREAK_NOTHING; b < SIM_BREAK_COUNT; b++) {
        if (strcmp(text, sim_break_name(b)) == 0) {
            *ret = b;
            return true;
        }
    }
    return false;
}

static bool read_options(int argc, char **argv, options *ret) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *ret = (options){.first = 1, .seeds = SEEDS, .jobs = cores < 1 ? 1 : (unsigned)cores};
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t number = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seeds") == 0) {
            ret->seeds = number;
        } else if (strcmp(argv[i], "--first") == 0) {
            ret->first = number;
        } else if (strcmp(argv[i], "--jobs") == 0) {
            ret->jobs = (unsigned)number;
        } else if (strcmp(argv[i], "--traffic") == 0) {
            ret->traffic = number;
        } else if (strcmp(argv[i], "--seed") == 0) {
            ret->one = number;
            ret->is_one = true;
        } else if (strcmp(argv[i], "--break") != 0 || !read_break(argv[i + 1], &ret->broken)) {
            return false;
        }
    }
    ret->jobs = ret->jobs > JOBS_MAX ? JOBS_MAX : ret->jobs;
    return argc % 2 == 1 && ret->jobs > 0;
}

int main(int argc, char **argv) {
    options o;
    if (!read_options(argc, argv, &o)) {
        fprintf(stderr, "usage: sim_lattice [--seeds N] [--first SEED] [--jobs N]\n"
                        "       sim_lattice --seed SEED [--break WHAT]\n"
                        "       sim_lattice --traffic HOSTS\n");
        return 2;
    }
    if (o.traffic > 0) {
        return tell_traffic(&o);
    }
    return o.is_one ? run_one(&o) : run_all(&o);
}
