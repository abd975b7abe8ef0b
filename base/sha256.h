/* base/sha256.h - SHA-256 (FIPS 180-4), streaming. */
#ifndef COP_BASE_SHA256_H
#define COP_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct cop_sha256 {
    uint32_t state[8];
    uint64_t n_bytes;
    uint8_t block[64];
};

void cop_sha256_init(struct cop_sha256 *sha);
void cop_sha256_add(struct cop_sha256 *sha, const void *bytes, size_t n);
void cop_sha256_finish(struct cop_sha256 *sha, uint8_t digest[32]);
/** Lower-case hexadecimal, terminated. */
void cop_sha256_hex(const uint8_t digest[32], char hex[65]);

#endif
