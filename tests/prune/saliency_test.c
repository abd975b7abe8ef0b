/* tests/prune/saliency_test.c - gates by gradients against gates turned by hand. */
#include "prune_tests.h"

#include "base/mem.h"
#include "ops/ops.h"
#include "prune/saliency.h"
#include "prune/score.h"
#include "support/net.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

enum { N_SAMPLES = 5, N_IN = 3 * 6 * 6, N_SCORES = 4 };

struct subject {
    struct test_net net;
    struct cop_engine *engine;
    struct cop_groups *groups;
    struct cop_arena *arena;
    float x[N_SAMPLES][N_IN];
};

static enum cop_status read_samples(
    void *context, int64_t first, int64_t n, float *batch, struct cop_err *err)
{
    const struct subject *subject = context;
    (void)err;
    memcpy(batch, subject->x[first], (size_t)n * sizeof subject->x[0]);
    return COP_OK;
}

/* A residual network whose stream has three readers; with is_softmax it answers
 * probabilities. */
static void make_subject(struct subject *subject, bool is_softmax)
{
    struct cop_err err = {0};
    struct test_net *net = &subject->net;
    *net = test_net_begin(&cop_ops_standard, 3, 6, 6, 77);
    struct cop_value *x = test_net_conv(net, "stem", net->x, 6, 3, 1);
    x = test_net_bn(net, "bn", x);
    x = test_net_op(net, "Sigmoid", "act", "", x, NULL);
    struct cop_value *y = test_net_conv(net, "wide", x, 8, 3, 1);
    y = test_net_op(net, "Sigmoid", "act2", "", y, NULL);
    y = test_net_conv(net, "back", y, 6, 1, 1);
    x = test_net_op(net, "Add", "add", "", x, y, NULL);
    x = test_net_head(net, x, N_SCORES);
    if (is_softmax) x = test_net_op(net, "Softmax", "softmax", "axis=1", x, NULL);
    test_net_end(net, x);
    subject->arena = cop_arena_create();
    assert_ok(cop_engine_create(&subject->engine, &err));
    assert_ok(cop_groups_find(net->graph, &subject->groups, &err));
    for (int s = 0; s < N_SAMPLES; s++) {
        for (int i = 0; i < N_IN; i++)
            subject->x[s][i] = (float)cop_rng_normal(&net->rng);
    }
}

static void drop_subject(struct subject *subject)
{
    cop_groups_destroy(subject->groups);
    cop_engine_destroy(subject->engine);
    cop_graph_destroy(subject->net.graph);
    cop_arena_destroy(subject->arena);
}

/* Cross entropy of one sample. */
static double loss(
    const struct subject *subject,
    const struct cop_graph *graph,
    int sample,
    int64_t *label, /* -1: set to the answer */
    bool is_softmax)
{
    struct cop_err err = {0};
    const struct cop_plan_options options = {.mb = 1, .threads = 1};
    struct cop_plan *plan = NULL;
    float y[N_SCORES];
    assert_ok(cop_plan_create(subject->engine, graph, &options, &plan, &err));
    assert_ok(cop_plan_run(
        plan, (const float *const[]){subject->x[sample]}, (float *const[]){y}, &err));
    cop_plan_destroy(plan);
    double sum = 0.0;
    int64_t best = 0;
    for (int i = 0; i < N_SCORES; i++) {
        if (y[i] > y[best]) best = i;
        sum += exp((double)y[i]);
    }
    if (*label < 0) *label = best;
    return is_softmax ? -log((double)y[*label]) : log(sum) - (double)y[*label];
}

/* The network with the gate of one channel at 1 + h: its readers' slices scaled. */
static struct cop_graph *turned(
    const struct subject *subject,
    const struct cop_group *group,
    int64_t channel,
    double h)
{
    struct cop_err err = {0};
    struct cop_graph *clone = NULL;
    assert_ok(cop_graph_clone(subject->net.graph, &clone, &err));
    for (int32_t m = 0; m < group->n_members; m++) {
        const struct cop_member *member = &group->members[m];
        if (!member->is_consumer || member->value->data == NULL) continue;
        const struct cop_shape *shape = &member->value->shape;
        int64_t n = cop_shape_n(shape);
        int64_t inner = cop_shape_span(shape, member->axis + 1, shape->rank);
        struct cop_buf *data = NULL;
        assert_ok(cop_buf_create((size_t)n * sizeof(float), &data, &err));
        float *to = cop_buf_mutable(data);
        memcpy(to, cop_buf_data(member->value->data), (size_t)n * sizeof *to);
        const int64_t *elements;
        int64_t n_elements;
        cop_group_elements(subject->groups, group, m, channel, &elements, &n_elements);
        for (int64_t i = 0; i < n; i++) {
            int64_t at = i / inner % shape->dim[member->axis];
            for (int64_t e = 0; e < n_elements; e++) {
                if (at == elements[e]) to[i] = (float)((double)to[i] * (1.0 + h));
            }
        }
        struct cop_value *value = cop_graph_value(clone, member->value->id);
        assert_ok(cop_graph_set_const(clone, value, shape, data, &err));
        cop_buf_release(data);
    }
    return clone;
}

static void check_gates(bool is_softmax, const int32_t *labels)
{
    struct cop_err err = {0};
    static struct subject subject;
    make_subject(&subject, is_softmax);
    const struct cop_sample_source samples = {
        .context = &subject, .n = N_SAMPLES, .read = read_samples};
    struct cop_saliency *saliency = NULL;
    assert_ok(cop_saliency_measure(
        subject.engine,
        subject.groups,
        &samples,
        labels,
        NULL,
        subject.arena,
        &saliency,
        &err));
    const double h = 0.02;
    int n_checked = 0;
    for (int32_t g = 0; g < cop_groups_n(subject.groups); g++) {
        const struct cop_group *group = cop_groups_at(subject.groups, g);
        if (group->frozen_because != NULL) {
            assert_null(saliency->taylor[g]);
            continue;
        }
        for (int64_t c = 0; c < group->n_channels; c++) {
            double taylor = 0.0;
            double fisher = 0.0;
            struct cop_graph *up = turned(&subject, group, c, h);
            struct cop_graph *down = turned(&subject, group, c, -h);
            for (int s = 0; s < N_SAMPLES; s++) {
                int64_t label = labels != NULL ? labels[s] : -1;
                (void)loss(&subject, subject.net.graph, s, &label, is_softmax);
                double slope = (loss(&subject, up, s, &label, is_softmax) -
                                loss(&subject, down, s, &label, is_softmax)) /
                               (2.0 * h);
                taylor += fabs(slope) / N_SAMPLES;
                fisher += slope * slope / N_SAMPLES;
            }
            cop_graph_destroy(up);
            cop_graph_destroy(down);
            if (fabs(taylor - saliency->taylor[g][c]) > 0.01 * taylor + 3e-5 ||
                fabs(fisher - saliency->fisher[g][c]) > 0.02 * fisher + 1e-6)
                fail_msg(
                    "'%s' channel %lld: %.6g and %.6g by gradients, %.6g and %.6g by "
                    "hand",
                    group->name,
                    (long long)c,
                    saliency->taylor[g][c],
                    saliency->fisher[g][c],
                    taylor,
                    fisher);
            n_checked++;
        }
        struct cop_score order[8];
        const struct cop_score_ground ground = {.saliency = saliency};
        assert_ok(cop_score_group(
            subject.groups, group, COP_SCORE_FISHER, &ground, order, &err));
        for (int64_t i = 1; i < group->n_channels; i++)
            assert_true(
                saliency->fisher[g][order[i].channel] >=
                saliency->fisher[g][order[i - 1].channel]);
    }
    assert_int_equal(n_checked, 6 + 8);
    drop_subject(&subject);
}

static void test_with_labels(void **state)
{
    (void)state;
    static const int32_t labels[N_SAMPLES] = {3, 0, 2, -1, 1};
    check_gates(false, labels);
    check_gates(true, labels);
}

static void test_without_labels(void **state)
{
    (void)state;
    check_gates(false, NULL);
}

int run_saliency_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_with_labels),
        cmocka_unit_test(test_without_labels),
    };
    return cmocka_run_group_tests_name("saliency", tests, NULL, NULL);
}
