/* tests/prune/score_test.c - scores against least squares worked out the long way. */
#include "prune_tests.h"
#include "toy.h"
#include "toy_data.h"

#include "prune/score.h"
#include "prune/surgeon_impl.h"

#include <math.h>
#include <string.h>

static const uint64_t seed = 20261;

/* Squared error of one reader when the channels with gone[c] != 0 are predicted from the
 * others, relative to its output's energy; the Gram has the score's ridge. */
static double left_error(
    const struct toy_data *data, const struct cop_value *weights, const uint8_t *gone)
{
    int64_t n = data->n;
    const float *w = cop_buf_data(weights->data); /* [o][n] */
    double ridge = 0.0;
    for (int64_t c = 0; c < n; c++)
        ridge += 1e-3 * data->gram[c * n + c] / (double)n;
    double error = 0.0;
    double energy = 0.0;
    for (int64_t o = 0; o < weights->shape.dim[0]; o++) {
        double full[TOY_WIDTH]; /* C w of this output */
        double kk[TOY_WIDTH * TOY_WIDTH];
        double right[TOY_WIDTH];
        double fit[TOY_WIDTH];
        int64_t kept[TOY_WIDTH];
        int64_t n_kept = 0;
        double own = 0.0; /* w_R' C_RR w_R */
        for (int64_t c = 0; c < n; c++) {
            full[c] = 0.0;
            for (int64_t d = 0; d < n; d++) {
                double gram = data->gram[c * n + d];
                energy += (double)w[o * n + c] * gram * (double)w[o * n + d];
                if (!gone[d]) continue;
                if (c == d) gram += ridge;
                full[c] += gram * (double)w[o * n + d];
            }
            if (gone[c])
                own += full[c] * (double)w[o * n + c];
            else
                kept[n_kept++] = c;
        }
        for (int64_t a = 0; a < n_kept; a++) {
            right[a] = full[kept[a]];
            for (int64_t b = 0; b < n_kept; b++)
                kk[a * n_kept + b] =
                    data->gram[kept[a] * n + kept[b]] + (a == b ? ridge : 0.0);
        }
        toy_solve(kk, right, n_kept, fit);
        error += own;
        for (int64_t a = 0; a < n_kept; a++)
            error -= right[a] * fit[a];
    }
    return error / energy;
}

/* One group read by two nodes: the greedy choice and the error at every width. */
static void test_path_matches_least_squares(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_rng rng;
    cop_rng_init(&rng, seed);
    struct cop_value *x = NULL;
    struct cop_graph *graph = toy_graph(3, &x);
    struct cop_value *a = toy_add_mix(graph, "a", x, 7);
    struct cop_value *b = toy_add_mix(graph, "b", a, 4);
    struct cop_value *c = toy_add_mix(graph, "c", a, 5);
    assert_ok(cop_graph_mark_output(graph, b, &err));
    assert_ok(cop_graph_mark_output(graph, c, &err));
    struct cop_groups *groups = NULL;
    assert_ok(cop_groups_find(graph, &groups, &err));
    struct toy_data data;
    toy_data_fill(&data, 7, &rng);
    toy_data_measure(&data, a);
    struct cop_score order[7];
    assert_ok(cop_score_group(
        groups,
        cop_groups_at(groups, 1),
        COP_SCORE_RECONSTRUCTION,
        &(struct cop_score_ground){.calibration = &data.calibration},
        order,
        &err));
    uint8_t gone[7] = {0};
    double before = 0.0;
    for (int i = 0; i < 7; i++) {
        double least = INFINITY;
        for (int k = 0; k < 7; k++) {
            if (gone[k]) continue;
            gone[k] = 1;
            double error = left_error(&data, b->producer->src[1], gone) / 2 +
                           left_error(&data, c->producer->src[1], gone) / 2;
            least = fmin(least, error);
            if (k == order[i].channel && fabs(error - order[i].error_left) > 1e-9)
                fail_msg(
                    "seed %llu: error left at %d is %.12g, least squares %.12g",
                    (unsigned long long)seed,
                    i,
                    order[i].error_left,
                    error);
            gone[k] = 0;
        }
        assert_true(order[i].error_left <= least + 1e-9); /* the cheapest went */
        assert_true(order[i].error_left >= before);
        before = order[i].error_left;
        assert_false(gone[order[i].channel]);
        gone[order[i].channel] = 1;
    }
    cop_groups_destroy(groups);
    cop_graph_destroy(graph);
}

/* A channel that is a combination of others costs nothing and goes first. */
static void test_duplicate_goes_first(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_rng rng;
    cop_rng_init(&rng, seed);
    struct cop_value *x = NULL;
    struct cop_graph *graph = toy_graph(3, &x);
    struct cop_value *a = toy_add_mix(graph, "a", x, 5);
    struct cop_value *b = toy_add_mix(graph, "b", a, 4);
    assert_ok(cop_graph_mark_output(graph, b, &err));
    struct cop_groups *groups = NULL;
    assert_ok(cop_groups_find(graph, &groups, &err));
    struct toy_data data;
    toy_data_fill(&data, 5, &rng);
    for (int r = 0; r < TOY_ROWS; r++)
        data.x[r][3] = 0.4 * data.x[r][0] + 0.3 * data.x[r][4] + 2.0;
    toy_data_measure(&data, a);
    struct cop_score order[5];
    assert_ok(cop_score_group(
        groups,
        cop_groups_at(groups, 1),
        COP_SCORE_RECONSTRUCTION,
        &(struct cop_score_ground){.calibration = &data.calibration},
        order,
        &err));
    assert_true(
        order[0].channel == 3 || order[0].channel == 0 || order[0].channel == 4);
    assert_true(order[0].error_left < 2e-3);
    assert_true(order[1].error_left > 10 * order[0].error_left);
    assert_true(order[4].error_left > 0.99 && order[4].error_left < 1.01);
    assert_fails(
        cop_score_group(
            groups,
            cop_groups_at(groups, 1),
            COP_SCORE_RECONSTRUCTION,
            &(struct cop_score_ground){0},
            order,
            &err),
        COP_EINVAL);
    cop_groups_destroy(groups);
    cop_graph_destroy(graph);
}

enum { PLAIN_CHANNELS = 50, PLAIN_TAPS = 3, PLAIN_ROWS = PLAIN_CHANNELS * PLAIN_TAPS };

/* The matrices with every removal made at once, element by element. */
struct plain {
    double h[PLAIN_ROWS][PLAIN_ROWS];
    double m[PLAIN_ROWS][PLAIN_ROWS];
};

static void fill_plain(struct plain *plain, struct cop_rng *rng)
{
    static double x[PLAIN_ROWS][PLAIN_ROWS + 20];
    for (int what = 0; what < 2; what++) {
        for (int i = 0; i < PLAIN_ROWS; i++) {
            for (int k = 0; k < PLAIN_ROWS + 20; k++)
                x[i][k] = cop_rng_normal(rng);
        }
        for (int i = 0; i < PLAIN_ROWS; i++) {
            for (int j = 0; j < PLAIN_ROWS; j++) {
                double sum = 0.0;
                for (int k = 0; k < PLAIN_ROWS + 20; k++)
                    sum += x[i][k] * x[j][k] / PLAIN_ROWS;
                (what == 0 ? plain->h : plain->m)[i][j] = sum;
            }
        }
    }
}

/* What the row costs; both matrices without it. */
static double remove_plain(struct plain *plain, int row)
{
    double h[PLAIN_ROWS];
    double m[PLAIN_ROWS];
    memcpy(h, plain->h[row], sizeof h);
    memcpy(m, plain->m[row], sizeof m);
    for (int i = 0; i < PLAIN_ROWS; i++) {
        for (int j = 0; j < PLAIN_ROWS; j++) {
            double b_i = -h[i] / h[row];
            double b_j = -h[j] / h[row];
            plain->h[i][j] -= h[i] * h[j] / h[row];
            plain->m[i][j] += b_i * m[j] + b_j * m[i] + b_i * b_j * m[row];
        }
    }
    return m[row] / h[row];
}

/* Removals that are put off and made together cost what they would cost one by one. */
static void test_surgeon_matches_plain_updates(void **state)
{
    (void)state;
    static struct plain plain;
    struct cop_err err = {0};
    struct cop_rng rng;
    struct cop_surgeon surgeon;
    struct cop_arena *arena = cop_arena_create();
    cop_rng_init(&rng, seed);
    fill_plain(&plain, &rng);
    assert_ok(cop_surgeon__create(PLAIN_CHANNELS, PLAIN_TAPS, arena, &surgeon, &err));
    memcpy(surgeon.h, plain.h, sizeof plain.h);
    memcpy(surgeon.m, plain.m, sizeof plain.m);
    cop_surgeon__begin(&surgeon);
    for (int i = 0; i < PLAIN_CHANNELS; i++) {
        int channel = i * 7 % PLAIN_CHANNELS;
        double cost = cop_surgeon__cost(&surgeon, channel);
        double want = 0.0;
        for (int k = 0; k < PLAIN_TAPS; k++)
            want += remove_plain(&plain, channel * PLAIN_TAPS + k);
        if (fabs(cost - want) > 1e-8 * want)
            fail_msg("removal %d: %.12g, one by one %.12g", i, cost, want);
        cop_surgeon__remove(&surgeon, channel);
    }
    assert_true(surgeon.n_places < PLAIN_CHANNELS); /* some were made together */
    cop_arena_destroy(arena);
}

/* Scores worked out the long way: in the order of removal, divided by their mean. */
static void check_order(const struct cop_score *order, const double *want, int64_t n)
{
    double mean = 0.0;
    double gone = 0.0;
    for (int64_t c = 0; c < n; c++)
        mean += want[c] / (double)n;
    for (int64_t i = 0; i < n; i++) {
        gone += want[order[i].channel];
        assert_true(fabs(order[i].score - want[order[i].channel] / mean) < 1e-9);
        assert_true(fabs(order[i].error_left - gone / (mean * (double)n)) < 1e-9);
        assert_true(i == 0 || order[i].score >= order[i - 1].score);
    }
}

/* Norms over the rows that make a channel and the columns that read it; distances between
 * the rows that make them. */
static void test_weights_alone(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_value *x = NULL;
    struct cop_graph *graph = toy_graph(3, &x);
    struct cop_value *a = toy_add_mix(graph, "a", x, 6);
    struct cop_value *b = toy_add_mix(graph, "b", a, 4);
    assert_ok(cop_graph_mark_output(graph, b, &err));
    struct cop_groups *groups = NULL;
    assert_ok(cop_groups_find(graph, &groups, &err));
    const struct cop_group *group = cop_groups_at(groups, 1);
    const struct cop_score_ground nothing = {0};
    struct cop_score order[6];
    const float *wa = cop_buf_data(a->producer->src[1]->data); /* [6][3] */
    const float *wb = cop_buf_data(b->producer->src[1]->data); /* [4][6] */
    double squares[6] = {0};
    double distances[6] = {0};
    for (int c = 0; c < 6; c++) {
        for (int k = 0; k < 3; k++)
            squares[c] += (double)wa[c * 3 + k] * (double)wa[c * 3 + k];
        for (int o = 0; o < 4; o++)
            squares[c] += (double)wb[o * 6 + c] * (double)wb[o * 6 + c];
        for (int j = 0; j < 6; j++) {
            double apart = 0.0;
            for (int k = 0; k < 3; k++) {
                double d = (double)wa[c * 3 + k] - (double)wa[j * 3 + k];
                apart += d * d;
            }
            distances[c] += sqrt(apart);
        }
    }
    assert_ok(
        cop_score_group(groups, group, COP_SCORE_MAGNITUDE, &nothing, order, &err));
    check_order(order, squares, 6);
    assert_ok(cop_score_group(groups, group, COP_SCORE_FPGM, &nothing, order, &err));
    check_order(order, distances, 6);
    assert_fails(
        cop_score_group(groups, group, COP_SCORE_TAYLOR, &nothing, order, &err),
        COP_EINVAL);
    assert_non_null(strstr(err.text, "needs gradients"));
    enum cop_score_method method;
    assert_ok(cop_score_method_parse("fpgm", &method, &err));
    assert_int_equal(method, COP_SCORE_FPGM);
    assert_fails(cop_score_method_parse("l1", &method, &err), COP_EINVAL);
    assert_non_null(
        strstr(err.text, "magnitude, reconstruction, taylor, fisher, fpgm"));
    cop_groups_destroy(groups);
    cop_graph_destroy(graph);
}

int run_score_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_matches_least_squares),
        cmocka_unit_test(test_duplicate_goes_first),
        cmocka_unit_test(test_surgeon_matches_plain_updates),
        cmocka_unit_test(test_weights_alone),
    };
    return cmocka_run_group_tests_name("score", tests, NULL, NULL);
}
