/* explain/class_score.h - one number out of a network's outputs: the score of a class.
 *
 * The score is the output before softmax; if the outputs already are probabilities, their
 * logarithm, which differs from the logit by the same constant for every class.  Private
 * to explain/.  Pure functions. */
#ifndef COP_EXPLAIN_CLASS_SCORE_H
#define COP_EXPLAIN_CLASS_SCORE_H

#include <stdbool.h>
#include <stdint.h>

/** True when @p n >= 2 outputs lie in 0 .. 1 and sum to 1 within 1e-3. */
bool cop_explain__is_probability(const float *outputs, int64_t n);

/** The score of class @p target, 0 <= target < the number of outputs. */
double cop_explain__score(const float *outputs, bool is_probability, int64_t target);

/** The first class with the largest output; 0 if none is a number. */
int64_t cop_explain__answer(const float *outputs, int64_t n);

#endif
