/* tests/store/kill_test.c - kill -9 at any moment loses at most the step in progress.
 *
 * The test starts this very program again as a writer.  The writer puts steps for ever (a
 * candidate and its cut, as one transaction) and reports each one when it is done.  It is
 * killed at a random moment; all that it reported must be there, and nothing by halves. */
#include "store_tests.h"

#include "store/store_impl.h"

#include "base/clock.h"
#include "base/rng.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 12 };

static const char *self; /* path of this program */

static enum cop_status put_step(
    struct cop_store *store, struct sample_rows *rows, int64_t seq, struct cop_err *err)
{
    COP_TRY(cop_store_begin(store, err));
    rows->candidate.seq = seq;
    COP_TRY(cop_store_put_candidate(store, &rows->candidate, err));
    rows->cut.width_after = seq;
    COP_TRY(cop_store_put_cut(store, &rows->cut, err));
    return cop_store_commit(store, err);
}

int write_until_killed(const char *path)
{
    struct cop_err err = {0};
    struct cop_store *store;
    struct sample_rows rows = {0};
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return 1;
    if (cop_store_open(path, &store, &err) != COP_OK) return 2;
    if (cop_store_get_model(store, "net", arena, &rows.model, &err) != COP_OK &&
        fill_project(store, arena, &rows, &err) != COP_OK)
        return 3;
    if (cop_store_last_run(store, rows.model.id, arena, &rows.run, &err) != COP_OK)
        return 4;
    struct cop_candidate_row *list;
    int32_t n;
    if (cop_store_list_candidates(store, rows.run.id, arena, &list, &n, &err) != COP_OK)
        return 5;
    rows.candidate = (struct cop_candidate_row){.run_id = rows.run.id};
    rows.cut = (struct cop_cut_row){.model_id = rows.model.id};
    for (int64_t seq = n;; seq++) {
        enum cop_status status = put_step(store, &rows, seq, &err);
        if (status != COP_OK) return 6;
        if (write(STDOUT_FILENO, &seq, sizeof seq) != sizeof seq) return 7;
    }
}

/* Starts the writer, kills it after @p ms, returns the last step that it reported. */
static int64_t run_and_kill(const char *path, int64_t ms)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execl(self, self, "--write-until-killed", path, (char *)NULL);
        _exit(99);
    }
    (void)close(ends[1]);
    int64_t last = -1;
    int64_t seq;
    double start = 0.0;
    /* the clock runs from the first step on: starting takes as long as it takes */
    while (read(ends[0], &seq, sizeof seq) == (ssize_t)sizeof seq) {
        if (start <= 0.0) start = cop_clock_ms();
        last = seq;
        if (cop_clock_ms() - start >= (double)ms) (void)kill(child, SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(ends[0]);
    if (!WIFSIGNALED(status)) fail_msg("the writer ended with %d", WEXITSTATUS(status));
    return last;
}

static int64_t query(struct cop_store *store, const char *sql)
{
    struct cop_err err = {0};
    int64_t result = -1;
    assert_ok(cop_store__query_int(store->db, sql, &result, &err));
    return result;
}

static void a_killed_writer_loses_at_most_one_step(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct cop_rng rng;
    struct sample_rows rows;
    uint64_t seed = (uint64_t)cop_clock_wall_us();
    print_message("seed %llu\n", (unsigned long long)seed);
    cop_rng_init(&rng, seed);
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    rows.run.status = "killed"; /* a run without the sample's candidate */
    assert_ok(cop_store_open_run(
        f->store, rows.model.id, "{\"limit\":2}", f->arena, &rows.run, &err));
    cop_store_close(f->store);
    f->store = NULL;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t last = run_and_kill(f->path, cop_rng_below(&rng, 40));
        assert_ok(cop_store_open(f->path, &f->store, &err));
        assert_ok(cop_store_verify(f->store, &err));
        int64_t n = query(f->store, "SELECT count(*) FROM candidate WHERE run_id = 2");
        int64_t top = query(
            f->store, "SELECT coalesce(max(seq), -1) FROM candidate WHERE run_id = 2");
        assert_true(last >= 0);
        assert_int_equal(top, n - 1); /* no holes */
        assert_true(top >= last);     /* nothing reported is lost */
        assert_int_equal(
            query(f->store, "SELECT count(*) FROM cut WHERE model_id = 1"), n);
        cop_store_close(f->store);
        f->store = NULL;
    }
}

/* A reader beside a writer at work never sees a half step. */
static void a_reader_beside_a_writer_sees_whole_steps(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    assert_ok(cop_store_open_run(
        f->store, rows.model.id, "{\"limit\":2}", f->arena, &rows.run, &err));
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)execl(self, self, "--write-until-killed", f->path, (char *)NULL);
        _exit(99);
    }
    (void)close(ends[1]);
    int64_t seq;
    for (int i = 0; i < 25; i++) {
        assert_int_equal(read(ends[0], &seq, sizeof seq), sizeof seq);
        assert_ok(cop_store_verify(f->store, &err));
        assert_int_equal(
            query(
                f->store,
                "SELECT (SELECT count(*) FROM candidate WHERE run_id = 2) -"
                " (SELECT count(*) FROM cut WHERE model_id = 1)"),
            0);
    }
    (void)kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(ends[0]);
    assert_true(WIFSIGNALED(status));
    assert_ok(cop_store_verify(f->store, &err));
}

int run_kill_tests(const char *program)
{
    self = program;
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_killed_writer_loses_at_most_one_step),
        STORE_TEST(a_reader_beside_a_writer_sees_whole_steps),
    };
    return cmocka_run_group_tests_name("store kill", tests, NULL, NULL);
}
