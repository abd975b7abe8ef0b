/* base/clock.h - time for measurements and for records. */
#ifndef COP_BASE_CLOCK_H
#define COP_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/** Milliseconds of a clock that never goes back. */
double cop_clock_ms(void);
/** Microseconds since 1970, UTC. */
int64_t cop_clock_wall_us(void);
/** Peak resident set of this process in bytes. */
size_t cop_clock_peak_rss(void);

#endif
