/* tests/fuzz/fuzz_driver.c - replays a corpus and mutations of it under plain gcc.
 *
 * usage: fuzz_driver TARGET CORPUS [MUTATIONS [SEED [FIRST]]]
 *
 * Every file of CORPUS must be accepted, those named bad_* refused.  Mutation k depends on
 * SEED and k alone: a failure prints both, and FIRST runs on from there.  An input that
 * takes longer than 5 s fails (hangs); so does a process larger than 1 GiB without
 * sanitizers. */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_SEEDS = 64, SECONDS_PER_INPUT = 5, MAX_KIB = 1 << 20 };

#if defined(__SANITIZE_ADDRESS__)
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

static const struct fuzz_target *const targets[] = {
    &fuzz_onnx, &fuzz_tf, &fuzz_keras, &fuzz_keras_config};
static const struct fuzz_target *target;

struct seed {
    char name[256];
    struct pb file;
};

static struct seed seeds[MAX_SEEDS];
static size_t n_seeds;
static char current[400]; /* what is running, for the signal handler */

static void tell_and_end(int signal_number)
{
    static const char hang[] = "fuzz: no end within 5 s: ";
    static const char crash[] = "fuzz: crashed on ";
    const char *what = signal_number == SIGALRM ? hang : crash;
    (void)!write(STDERR_FILENO, what, strlen(what));
    (void)!write(STDERR_FILENO, current, strlen(current));
    (void)!write(STDERR_FILENO, "\n", 1);
    _exit(1);
}

static int compare_seeds(const void *a, const void *b)
{
    const struct seed *x = a;
    const struct seed *y = b;
    return strcmp(x->name, y->name);
}

static bool has_suffix(const char *name, const char *suffix)
{
    const size_t n = strlen(name);
    return n >= strlen(suffix) && strcmp(name + n - strlen(suffix), suffix) == 0;
}

static void load_seed(const char *folder, const char *name)
{
    char path[1024];
    char block[4096];
    if (n_seeds == MAX_SEEDS || !has_suffix(name, target->suffix)) return;
    struct seed *seed = &seeds[n_seeds];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)snprintf(seed->name, sizeof seed->name, "%s", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) return;
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        pb_raw(&seed->file, block, n);
    (void)fclose(file);
    n_seeds++;
}

static int load_corpus(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) return 1;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        load_seed(folder, entry->d_name);
    (void)closedir(dir);
    qsort(seeds, n_seeds, sizeof *seeds, compare_seeds);
    return n_seeds == 0;
}

static enum cop_status run_one(const struct pb *file, struct cop_err *err)
{
    (void)alarm(SECONDS_PER_INPUT);
    enum cop_status status = target->one(file->at, file->n, err);
    (void)alarm(0);
    return status;
}

static int replay_corpus(void)
{
    int n_wrong = 0;
    for (size_t i = 0; i < n_seeds; i++) {
        struct cop_err err;
        (void)snprintf(current, sizeof current, "seed %.255s", seeds[i].name);
        bool is_bad = strncmp(seeds[i].name, "bad_", 4) == 0;
        enum cop_status status = run_one(&seeds[i].file, &err);
        if ((status != COP_OK) == is_bad) continue;
        (void)fprintf(
            stderr,
            "fuzz: seed %s: %s\n",
            seeds[i].name,
            is_bad ? "accepted" : err.text);
        n_wrong++;
    }
    return n_wrong;
}

/* What went wrong in child processes, where the caller only sees a refusal. */
static struct {
    const char *text;
    long n;
} accidents[] = {
    {" crashed (signal", 0}, {" came to no end", 0}, {" gave up (exit", 0}};

static void note_accident(const char *text)
{
    for (size_t i = 0; i < sizeof accidents / sizeof *accidents; i++)
        accidents[i].n += strstr(text, accidents[i].text) != NULL;
}

static void replay_mutations(uint64_t seed, long first, long n, long counts[])
{
    for (long k = first; k < n; k++) {
        struct cop_err err;
        struct cop_rng rng;
        struct pb file = {0};
        cop_rng_init_stream(&rng, seed, (uint64_t)k);
        size_t a = (size_t)cop_rng_below(&rng, (int64_t)n_seeds);
        size_t b = (size_t)cop_rng_below(&rng, (int64_t)n_seeds);
        (void)snprintf(
            current,
            sizeof current,
            "mutation %ld of seed %llu (%s)",
            k,
            (unsigned long long)seed,
            seeds[a].name);
        target->mutate(&rng, &seeds[a].file, &seeds[b].file, &file);
        counts[run_one(&file, &err)]++;
        note_accident(err.text);
        pb_free(&file);
    }
}

static int check_memory(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("fuzz: peak memory %ld MiB\n", usage.ru_maxrss / 1024);
    if (IS_SANITIZED || usage.ru_maxrss <= MAX_KIB) return 0;
    (void)fprintf(stderr, "fuzz: more than %d MiB\n", MAX_KIB / 1024);
    return 1;
}

static long number_or(int argc, char **argv, int i, long otherwise)
{
    return i < argc ? strtol(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    long counts[64] = {0};
    for (size_t i = 0; argc > 2 && i < sizeof targets / sizeof *targets; i++)
        if (strcmp(targets[i]->name, argv[1]) == 0) target = targets[i];
    if (target == NULL || load_corpus(argv[2]) != 0) {
        (void)fprintf(
            stderr, "usage: fuzz_driver TARGET CORPUS [MUTATIONS [SEED [FIRST]]]\n");
        return 2;
    }
    (void)signal(SIGALRM, tell_and_end);
    (void)signal(SIGABRT, tell_and_end);
    if (!IS_SANITIZED) (void)signal(SIGSEGV, tell_and_end);
    long n = number_or(argc, argv, 3, 0);
    long seed = number_or(argc, argv, 4, 1);
    int n_wrong = replay_corpus();
    (void)printf("fuzz: %zu seeds, %d wrong\n", n_seeds, n_wrong);
    (void)fflush(stdout);
    replay_mutations((uint64_t)seed, number_or(argc, argv, 5, 0), n, counts);
    (void)printf("fuzz: %ld mutations of seed %ld:", n, seed);
    for (int i = 0; i < 64; i++) {
        if (counts[i] > 0)
            (void)printf(" %ld %s;", counts[i], cop_status_text((enum cop_status)i));
    }
    (void)printf("\n");
    for (size_t i = 0; i < sizeof accidents / sizeof *accidents; i++)
        if (accidents[i].n > 0)
            (void)printf(
                "fuzz: %ld times a child process%s...)\n",
                accidents[i].n,
                accidents[i].text);
    for (size_t i = 0; i < n_seeds; i++)
        pb_free(&seeds[i].file);
    return check_memory() + n_wrong != 0;
}
