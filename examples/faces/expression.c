/* examples/faces/expression.c - see expression.h.  Each feeling has a few ways to show
 * itself; one is chosen, mixed with the neutral face by strength, and shaken a little. */
#include "faces/expression.h"

#include <stddef.h>

const char *const faces_expression_names[FACES_N_EXPRESSIONS] = {
    "angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"};

enum { ANGRY, DISGUST, FEAR, HAPPY, NEUTRAL, SAD, SURPRISE, N_FIELDS = 16, N_WAYS = 3 };

/* The order of the fields of struct faces_expression. */
static const double ways[FACES_N_EXPRESSIONS][N_WAYS][N_FIELDS] =
    {[ANGRY] =
         {{-.35, 1.2, 0, 0, .95, .8, .15, .9, -.7, .24, 0, 0, 0, 0, 0, 0},
          {-.35, 1.2, 0, 0, .95, .8, .2, .9, -.35, .27, .17, .1, 0, 0, 1, 0},
          {-.3, 1.1, 0, 0, 1., .75, .1, .85, -.6, .25, .22, .6, 0, 0, .35, .3}},
     [DISGUST] =
         {{-.15, .5, 0, .7, .8, .3, .5, .9, -.35, .26, 0, 0, .9, .5, 0, 0},
          {-.2, .6, 0, .4, .75, .35, .5, .9, -.25, .24, .15, .4, .5, 0, 0, 1},
          {-.2, .5, 0, .5, .7, .3, .6, .9, -.5, .25, .09, .2, .8, .2, 1, 0}},
     [FEAR] =
         {{.75, -.85, .1, 0, 1.3, -.15, 0, .55, -.3, .27, .15, .3, 0, .3, .6, 0},
          {.8, -.9, .1, 0, 1.3, -.1, 0, .5, -.3, .26, 0, 0, 0, 1., 0, 0},
          {.7, -.8, .1, 0, 1.25, -.1, 0, .6, -.6, .22, .2, .6, 0, .1, .3, .2}},
     [HAPPY] =
         {{.3, -.1, .5, 0, 1., 0, .45, 1.1, 1., .34, .2, .2, 0, 0, .8, .6},
          {.3, -.1, .4, 0, 1., 0, .2, 1.1, 1., .32, 0, 0, 0, 0, 0, 0},
          {.4, -.15, .5, 0, 1., 0, .95, 1., 1., .33, .22, .3, 0, 0, .5, .8}},
     [NEUTRAL] =
         {{0, 0, .2, 0, 1., 0, .05, 1., .04, .21, 0, 0, 0, 0, 0, 0},
          {0, 0, .3, 0, .95, .05, .1, 1., 0, .23, 0, 0, 0, 0, 0, 0},
          {0, .05, .1, 0, 1., 0, .05, 1., .08, .18, 0, 0, 0, 0, 0, 0}},
     [SAD] =
         {{.1, -1.1, 0, 0, .85, -.7, .05, 1.1, -.9, .22, 0, 0, 0, 0, 0, 0},
          {.15, -1., 0, 0, .7, -.8, .1, 1., -1., .19, 0, 0, 0, .2, 0, 0},
          {.1, -1., 0, 0, .8, -.7, .2, 1.1, -1., .2, .1, .5, 0, 0, 0, .3}},
     [SURPRISE] = {
         {1.1, 0, .7, 0, 1.4, 0, 0, .75, 0, .14, .3, 1., 0, 0, 0, 0},
         {1., 0, .8, 0, 1.35, 0, 0, .8, .1, .17, .24, 1., 0, 0, 0, .4},
         {1.1, 0, .6, .1, 1.4, 0, 0, .7, 0, .1, .16, 1., 0, 0, 0, 0}}};

/* How far each field is shaken whatever the feeling, as a standard deviation. */
static const double shake[N_FIELDS] = {
    .10, .10, .12, .06, .06, .06, .05, .06, .08, .02, .008, .05, .06, .05, .05, .05};

struct faces_expression faces_expression_draw(
    struct cop_rng *rng, int label, double weakest)
{
    const double *way = ways[label][cop_rng_below(rng, N_WAYS)];
    const double *rest = ways[NEUTRAL][cop_rng_below(rng, N_WAYS)];
    const double strength = weakest + (1.0 - weakest) * cop_rng_unit(rng);
    const double mirror = cop_rng_below(rng, 2) == 0 ? -1.0 : 1.0;
    double at[N_FIELDS];
    for (size_t i = 0; i < N_FIELDS; i++) {
        at[i] =
            rest[i] + strength * (way[i] - rest[i]) + shake[i] * cop_rng_normal(rng);
    }
    /* Teeth and tongue are there or not; they do not fade in. */
    at[14] = way[14];
    at[15] = way[15];
    return (struct faces_expression){
        .brow_raise = at[0],
        .brow_frown = at[1],
        .brow_arch = at[2],
        .brow_skew = at[3] * mirror,
        .eye_open = at[4],
        .lid_slant = at[5],
        .lid_lower = at[6],
        .pupil = at[7],
        .mouth_smile = at[8],
        .mouth_width = at[9],
        .mouth_open = at[10],
        .mouth_round = at[11],
        .mouth_skew = at[12] * mirror,
        .mouth_wave = at[13],
        .teeth = at[14],
        .tongue = at[15]};
}
