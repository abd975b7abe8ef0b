/* examples/faces/features.h - brows, eyes and mouth: where the feeling is drawn. */
#ifndef FACES_FEATURES_H
#define FACES_FEATURES_H

#include "faces/brush.h"
#include "faces/expression.h"

/** What the person brings to the three places, whatever they feel. */
struct faces_traits {
    struct faces_colour iris;
    struct faces_colour brow;
    struct faces_colour line; /* of lids and lips */
    double eye_size;          /* 1: usual */
    double eye_apart;         /* half distance of the eyes */
    double brow_thick;
    double mouth_low; /* y of the mouth */
    double gaze_x;    /* -1..1 */
    double gaze_y;
};

void faces_draw_eyes(
    struct faces_brush *brush,
    const struct faces_traits *traits,
    const struct faces_expression *expression);
void faces_draw_brows(
    struct faces_brush *brush,
    const struct faces_traits *traits,
    const struct faces_expression *expression);
void faces_draw_mouth(
    struct faces_brush *brush,
    const struct faces_traits *traits,
    const struct faces_expression *expression);

#endif
