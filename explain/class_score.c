/* explain/class_score.c - see class_score.h. */
#include "explain/class_score.h"

#include <math.h>

bool cop_explain__is_probability(const float *outputs, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(outputs[i] >= 0.0F && outputs[i] <= 1.0F + 1e-5F)) return false;
        sum += (double)outputs[i];
    }
    return n >= 2 && fabs(sum - 1) <= 1e-3;
}

double cop_explain__score(const float *outputs, bool is_probability, int64_t target)
{
    const double output = (double)outputs[target];
    return is_probability ? log(fmax(output, 1e-30)) : output;
}

int64_t cop_explain__answer(const float *outputs, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (outputs[i] > outputs[best] || (isnan(outputs[best]) && !isnan(outputs[i])))
            best = i;
    return best;
}
