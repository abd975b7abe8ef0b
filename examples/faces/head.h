/* examples/faces/head.h - the person: everything of a head that the feeling leaves alone. */
#ifndef FACES_HEAD_H
#define FACES_HEAD_H

#include "faces/brush.h"
#include "faces/features.h"

#include "base/rng.h"

#include <stdbool.h>

enum faces_hair {
    FACES_BALD,
    FACES_SHORT,
    FACES_PARTED,
    FACES_FRINGE,
    FACES_SPIKES,
    FACES_CURLS,
    FACES_LONG,
    FACES_BUN,
    FACES_BEANIE,
    FACES_N_HAIRS
};

struct faces_person {
    struct faces_colour skin;
    struct faces_colour shade; /* of the skin, in folds */
    struct faces_colour hair;
    struct faces_colour shirt;
    struct faces_colour cap;
    enum faces_hair style;
    double width; /* half width of the head */
    double jaw;   /* 0: round, 1: square */
    double blush; /* opacity */
    int nose;     /* 0..2 */
    bool freckles;
    bool glasses;
    bool earrings;
    struct faces_traits traits;
};

struct faces_person faces_person_draw(struct cop_rng *rng);

/** Shoulders, hair behind, ears, head, nose; then the features go on; then the front. */
void faces_draw_head(struct faces_brush *brush, const struct faces_person *person);
void faces_draw_hair(struct faces_brush *brush, const struct faces_person *person);
void faces_draw_glasses(struct faces_brush *brush, const struct faces_person *person);

#endif
