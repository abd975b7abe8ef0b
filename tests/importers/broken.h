/* tests/importers/broken.h - tables of broken files and what reading them must tell. */
#ifndef COP_TESTS_BROKEN_H
#define COP_TESTS_BROKEN_H

#include "base/err.h"
#include "support/onnx_bytes.h"

struct broken {
    const char *title;
    void (*make)(struct onnx_file *file);
    enum cop_status status;
    const char *text; /* must be in the message */
};

/** A sound file to break: x[N][3] -> ToyLin lin, constant w[2][3] -> y. */
void broken_sound(struct onnx_file *file);
/** Reads each and fails the test unless status and text are right. */
void broken_check(const struct broken *table, size_t n);

#endif
