/* explain/relevance.c - the menu of relevance.h. */
#include "explain/relevance.h"

const struct cop_relevance cop_relevance_linear = {
    .name = "linear",
    .rule = COP_RELEVANCE_RATIO,
    .conserves = true,
};

const struct cop_relevance cop_relevance_sum = {
    .name = "sum",
    .rule = COP_RELEVANCE_RATIO,
    .conserves = true,
};

/* Each factor is handed all of it: a product has no shares. */
const struct cop_relevance cop_relevance_product = {
    .name = "product",
    .rule = COP_RELEVANCE_RATIO,
    .conserves = false,
};

const struct cop_relevance cop_relevance_elementwise = {
    .name = "elementwise",
    .rule = COP_RELEVANCE_PASS,
    .conserves = true,
};

const struct cop_relevance cop_relevance_winner = {
    .name = "winner",
    .rule = COP_RELEVANCE_MOVE,
    .conserves = true,
};

/* Where a constant wins, it keeps what arrived. */
const struct cop_relevance cop_relevance_choice = {
    .name = "choice",
    .rule = COP_RELEVANCE_MOVE,
    .conserves = false,
};

const struct cop_relevance cop_relevance_move = {
    .name = "move",
    .rule = COP_RELEVANCE_MOVE,
    .conserves = true,
};

/* The shift of a normalisation keeps its share, as a bias does. */
const struct cop_relevance cop_relevance_normalise = {
    .name = "normalise",
    .rule = COP_RELEVANCE_RATIO,
    .conserves = true,
};

const struct cop_relevance cop_relevance_stop = {
    .name = "stop",
    .rule = COP_RELEVANCE_STOP,
    .conserves = false,
};
