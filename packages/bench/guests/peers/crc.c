// CRC-32 (IEEE 802.3) by a table, a byte at a time: a load whose address depends on the one before.
#include "kernel.h"
#include "random.h"

#define BUFFER_BYTES (1u << 18)
#define ROUNDS 160
#define POLYNOMIAL UINT32_C(0xedb88320)

const char kernel_name[] = "crc";
const uint64_t kernel_expected = UINT64_C(0x85f467b6);

static uint8_t buffer[BUFFER_BYTES];
static uint32_t table[256];

uint64_t kernel(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; bit++) {
      value = value >> 1 ^ (value & 1 ? POLYNOMIAL : 0);
    }
    table[byte] = value;
  }
  uint64_t state = UINT64_C(0x2545f4914f6cdd1d);
  for (uint32_t at = 0; at < BUFFER_BYTES; at++) {
    buffer[at] = (uint8_t)(xorshift64(&state) >> 56);
  }
  uint32_t crc = UINT32_MAX;
  for (int round = 0; round < ROUNDS; round++) {
    for (uint32_t at = 0; at < BUFFER_BYTES; at++) {
      crc = crc >> 8 ^ table[(crc ^ buffer[at]) & 0xff];
    }
  }
  return ~crc;
}
