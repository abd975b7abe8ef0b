/* data/preprocess.c - the text form of preprocessing, both ways. */
#include "data/preprocess.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const filter_names[] = {
    [COP_RESIZE_BILINEAR] = "bilinear",
    [COP_RESIZE_BICUBIC] = "bicubic",
    [COP_RESIZE_NEAREST] = "nearest"};
enum { N_FILTERS = 3, MAX_SIDE = 65500, MAX_ELEMENTS = 1 << 26, MAX_WORD = 128 };

/* A finite number, or a quotient of two as in 1/255. */
static bool parse_number(const char *text, char **end, float *number)
{
    double value = strtod(text, end);
    if (*end == text) return false;
    if (**end == '/') {
        const char *below = *end + 1;
        const double divisor = strtod(below, end);
        if (*end == below) return false;
        value /= divisor;
    }
    *number = (float)value;
    return isfinite(*number);
}

/* One number for all channels, or one per channel between commas. */
static bool parse_numbers(const char *text, int64_t n, float numbers[4])
{
    int64_t n_read = 0;
    const char *at = text;
    for (;;) {
        char *end;
        if (n_read == n || !parse_number(at, &end, &numbers[n_read])) return false;
        n_read++;
        if (*end == '\0') break;
        if (*end != ',') return false;
        at = end + 1;
    }
    if (n_read == 1) {
        for (int64_t i = 1; i < n; i++)
            numbers[i] = numbers[0];
    }
    return n_read == 1 || n_read == n;
}

static bool parse_side(const char *text, char **end, int64_t *side)
{
    if (isdigit((unsigned char)*text) == 0) return false;
    *side = strtoll(text, end, 10);
    return *side >= 1 && *side <= MAX_SIDE;
}

/* "3x224x224" */
static bool parse_shape(const char *text, struct cop_preprocess *preprocess)
{
    int64_t extent[3];
    char *end;
    for (int i = 0; i < 3; i++) {
        if (!parse_side(text, &end, &extent[i])) return false;
        if (*end != (i < 2 ? 'x' : '\0')) return false;
        text = end + 1;
    }
    preprocess->channels = extent[0];
    preprocess->height = extent[1];
    preprocess->width = extent[2];
    return (extent[0] == 1 || extent[0] == 3) && extent[1] * extent[2] <= MAX_ELEMENTS;
}

static bool parse_filter(const char *value, enum cop_resize_filter *filter)
{
    for (int i = 0; i < N_FILTERS; i++) {
        if (strcmp(value, filter_names[i]) != 0) continue;
        *filter = (enum cop_resize_filter)i;
        return true;
    }
    return false;
}

/* The value of "key=value" when @p word has that key. */
static const char *value_of(const char *word, const char *key)
{
    const size_t n = strlen(key);
    return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static bool parse_word(const char *word, struct cop_preprocess *preprocess)
{
    const char *value;
    char *end;
    if ((value = value_of(word, "short")) != NULL) {
        return parse_side(value, &end, &preprocess->short_side) && *end == '\0';
    }
    if ((value = value_of(word, "filter")) != NULL) {
        return parse_filter(value, &preprocess->filter);
    }
    if ((value = value_of(word, "order")) != NULL) {
        preprocess->bgr = strcmp(value, "bgr") == 0;
        if (preprocess->bgr) return preprocess->channels == 3;
        return strcmp(value, "rgb") == 0;
    }
    if ((value = value_of(word, "scale")) != NULL) {
        return parse_number(value, &end, &preprocess->scale) && *end == '\0';
    }
    if ((value = value_of(word, "mean")) != NULL) {
        return parse_numbers(value, preprocess->channels, preprocess->mean);
    }
    if ((value = value_of(word, "std")) != NULL) {
        if (!parse_numbers(value, preprocess->channels, preprocess->std)) return false;
        for (int64_t c = 0; c < preprocess->channels; c++) {
            if (preprocess->std[c] == 0.0f) return false;
        }
        return true;
    }
    return false;
}

/* Copies the next word of *text; false at the end or when it is too long. */
static bool next_word(const char **text, char word[MAX_WORD])
{
    const char *at = *text;
    while (isspace((unsigned char)*at) != 0)
        at++;
    size_t n = 0;
    while (at[n] != '\0' && isspace((unsigned char)at[n]) == 0)
        n++;
    *text = at + n;
    if (n >= MAX_WORD) n = MAX_WORD - 1;
    memcpy(word, at, n);
    word[n] = '\0';
    return n > 0;
}

enum cop_status cop_preprocess_parse(
    const char *text, struct cop_preprocess *preprocess, struct cop_err *err)
{
    *preprocess = (struct cop_preprocess){
        .filter = COP_RESIZE_BILINEAR,
        .scale = (float)(1.0 / 255.0),
        .std = {1.0f, 1.0f, 1.0f, 1.0f}};
    char word[MAX_WORD];
    if (!next_word(&text, word) || !parse_shape(word, preprocess)) {
        return COP_FAIL(
            err,
            COP_EINVAL,
            "preprocessing: '%s' is no input shape such as 3x224x224 (1 or 3 channels)",
            word);
    }
    while (next_word(&text, word)) {
        if (!parse_word(word, preprocess)) {
            return COP_FAIL(
                err,
                COP_EINVAL,
                "preprocessing: '%s' is not understood (known: short= filter= order= "
                "scale= mean= std=, one number or %lld)",
                word,
                (long long)preprocess->channels);
        }
    }
    return COP_OK;
}

/* The shortest text that reads back as the same float. */
static void print_float(char text[24], float number)
{
    for (int digits = 1; digits <= 9; ++digits) {
        (void)snprintf(text, 24, "%.*g", digits, (double)number);
        if ((float)strtod(text, NULL) == number) return; /* as parse_number reads */
    }
}

/* Appends ",x" or "x" for every channel. */
static size_t print_numbers(
    char *text, size_t room, const char *key, const float *numbers, int64_t n)
{
    size_t used = 0;
    for (int64_t i = 0; i < n; i++) {
        char number[24];
        print_float(number, numbers[i]);
        const int written = snprintf(
            text + used,
            used < room ? room - used : 0,
            "%s%s",
            i == 0 ? key : ",",
            number);
        used += (size_t)written;
        if (used >= room) return room;
    }
    return used;
}

char *cop_preprocess_print(
    const struct cop_preprocess *preprocess, char *text, size_t text_bytes)
{
    char scale[32] = "1/255";
    if (preprocess->scale != (float)(1.0 / 255.0)) {
        print_float(scale, preprocess->scale);
    }
    char short_side[32] = "";
    if (preprocess->short_side != 0) {
        (void)snprintf(
            short_side,
            sizeof short_side,
            " short=%lld",
            (long long)preprocess->short_side);
    }
    char mean[128];
    char std[128];
    (void)print_numbers(
        mean, sizeof mean, "mean=", preprocess->mean, preprocess->channels);
    (void)print_numbers(std, sizeof std, "std=", preprocess->std, preprocess->channels);
    (void)snprintf(
        text,
        text_bytes,
        "%lldx%lldx%lld%s filter=%s order=%s scale=%s %s %s",
        (long long)preprocess->channels,
        (long long)preprocess->height,
        (long long)preprocess->width,
        short_side,
        filter_names[preprocess->filter],
        preprocess->bgr ? "bgr" : "rgb",
        scale,
        mean,
        std);
    return text;
}
