// SHA-256 (FIPS 180-4) and CRC-32 (IEEE 802.3) of a buffer: shifts, rotates and logic, and table look-ups.
#include "kernel.h"
#include "random.h"

#define BUFFER_BYTES (1u << 20)
#define SHA_ROUNDS 6
#define CRC_ROUNDS 10
#define BLOCK_BYTES 64
#define CRC_POLYNOMIAL UINT32_C(0xedb88320)

const char kernel_name[] = "hash";
const uint64_t kernel_expected = UINT64_C(0xd6b322024599ab95);

static uint8_t buffer[BUFFER_BYTES];
static uint32_t crc_table[256];

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate_right(uint32_t value, unsigned count) { return value >> count | value << (32 - count); }

static uint32_t load_big_endian(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void sha256_block(uint32_t state[8], const uint8_t *block) {
  uint32_t schedule[64];
  for (int i = 0; i < 16; i++) {
    schedule[i] = load_big_endian(block + 4 * i);
  }
  for (int i = 16; i < 64; i++) {
    uint32_t x = schedule[i - 15];
    uint32_t y = schedule[i - 2];
    uint32_t sigma0 = rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3;
    uint32_t sigma1 = rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10;
    schedule[i] = schedule[i - 16] + sigma0 + schedule[i - 7] + sigma1;
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int i = 0; i < 64; i++) {
    uint32_t sum1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
    uint32_t choice = (e & f) ^ (~e & g);
    uint32_t t1 = h + sum1 + choice + round_constants[i] + schedule[i];
    uint32_t sum0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
    uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
    uint32_t t2 = sum0 + majority;
    h = g, g = f, f = e, e = d + t1;
    d = c, c = b, b = a, a = t1 + t2;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

// The digest's first 64 bits, of the buffer repeated SHA_ROUNDS times.
static uint64_t sha256(void) {
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  for (int round = 0; round < SHA_ROUNDS; round++) {
    for (uint32_t at = 0; at < BUFFER_BYTES; at += BLOCK_BYTES) {
      sha256_block(state, buffer + at);
    }
  }
  uint8_t last[BLOCK_BYTES] = {0x80};
  uint64_t bits = (uint64_t)BUFFER_BYTES * SHA_ROUNDS * 8;
  for (int i = 0; i < 8; i++) {
    last[BLOCK_BYTES - 1 - i] = (uint8_t)(bits >> (8 * i));
  }
  sha256_block(state, last);
  return (uint64_t)state[0] << 32 | state[1];
}

static uint32_t crc32(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; bit++) {
      value = value >> 1 ^ (value & 1 ? CRC_POLYNOMIAL : 0);
    }
    crc_table[byte] = value;
  }
  uint32_t crc = UINT32_MAX;
  for (int round = 0; round < CRC_ROUNDS; round++) {
    for (uint32_t at = 0; at < BUFFER_BYTES; at++) {
      crc = crc >> 8 ^ crc_table[(crc ^ buffer[at]) & 0xff];
    }
  }
  return ~crc;
}

uint64_t kernel(void) {
  uint64_t state = UINT64_C(0x2545f4914f6cdd1d);
  for (uint32_t at = 0; at < BUFFER_BYTES; at++) {
    buffer[at] = (uint8_t)(xorshift64(&state) >> 56);
  }
  return sha256() ^ crc32();
}
