/* engine/dnnl_shim_impl.h - what the shim's own files share; nobody else includes it. */
#ifndef COP_ENGINE_DNNL_SHIM_IMPL_H
#define COP_ENGINE_DNNL_SHIM_IMPL_H

#include "engine/dnnl_shim.h"

#include <oneapi/dnnl/dnnl.h>

struct cop_dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

struct cop_md {
    dnnl_memory_desc_t v2;
};

struct cop_pd {
    dnnl_primitive_desc_t v2;
    struct cop_md md[COP_ROLE_MANY_SRC]; /* by role; ndims 0: none */
};

/** Text and status for a failed oneDNN call. */
enum cop_status cop_err_dnnl(
    struct cop_err *err, dnnl_status_t status, const char *what);

void cop_dnnl__lock(void);
void cop_dnnl__unlock(void);

#endif
