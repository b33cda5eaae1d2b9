// Bytes: lines of words are copied and measured one character at a time, sought in by Horspool's algorithm ("Practical fast searching
// in strings", 1980) and by comparison at every place, and compared.
#include "kernel.h"
#include "random.h"

#define TEXT_BYTES (1u << 19)
#define ROUNDS 12
#define WORDS 64
#define WORD_BYTES_MAX 12
#define LINE_WORDS 10

const char kernel_name[] = "string";
const uint64_t kernel_expected = UINT64_C(0x6bf8e13422ddfd68);

static char words[WORDS][WORD_BYTES_MAX + 1];
static char text[TEXT_BYTES + WORD_BYTES_MAX + 2];
static char copy[sizeof text];
static uint32_t text_length;

static void write_text(void) {
  uint64_t state = UINT64_C(0x2545f4914f6cdd1d);
  for (int word = 0; word < WORDS; word++) {
    unsigned length = 3 + (unsigned)(xorshift64(&state) % (WORD_BYTES_MAX - 2));
    for (unsigned i = 0; i < length; i++) {
      words[word][i] = (char)('a' + xorshift64(&state) % 20);
    }
    words[word][length] = '\0';
  }
  text_length = 0;
  for (unsigned count = 1; text_length < TEXT_BYTES; count++) {
    for (const char *from = words[xorshift64(&state) % WORDS]; *from != '\0'; from++) {
      text[text_length++] = *from;
    }
    text[text_length++] = count % LINE_WORDS == 0 ? '\n' : ' ';
  }
  text[text_length] = '\0';
}

// Copies up to the terminator, upper case.
__attribute__((noinline)) static uint32_t copy_upper(char *restrict to, const char *restrict from) {
  uint32_t length = 0;
  for (; from[length] != '\0'; length++) {
    char character = from[length];
    to[length] = character >= 'a' && character <= 'z' ? (char)(character - 'a' + 'A') : character;
  }
  to[length] = '\0';
  return length;
}

__attribute__((noinline)) static uint32_t count_horspool(const char *pattern) {
  uint32_t length = (uint32_t)strlen(pattern);
  uint8_t shift[256];
  for (int i = 0; i < 256; i++) {
    shift[i] = (uint8_t)length;
  }
  for (uint32_t i = 0; i + 1 < length; i++) {
    shift[(uint8_t)pattern[i]] = (uint8_t)(length - 1 - i);
  }
  uint32_t found = 0;
  for (uint32_t at = 0; at + length <= text_length;) {
    uint32_t i = length;
    while (i > 0 && text[at + i - 1] == pattern[i - 1]) {
      i--;
    }
    found += i == 0;
    at += shift[(uint8_t)text[at + length - 1]];
  }
  return found;
}

__attribute__((noinline)) static uint32_t count_plainly(const char *pattern) {
  uint32_t found = 0;
  for (const char *at = text; *at != '\0'; at++) {
    uint32_t i = 0;
    while (pattern[i] != '\0' && at[i] == pattern[i]) {
      i++;
    }
    found += pattern[i] == '\0';
  }
  return found;
}

__attribute__((noinline)) static uint32_t count_lines(const char *from) {
  uint32_t lines = 0;
  for (; *from != '\0'; from++) {
    lines += *from == '\n';
  }
  return lines;
}

uint64_t kernel(void) {
  write_text();
  uint64_t sum = 0;
  for (int round = 0; round < ROUNDS; round++) {
    sum = sum * 31 + copy_upper(copy, text);
    sum = sum * 31 + count_horspool(words[round % WORDS]);
    sum = sum * 31 + count_horspool(words[(round + 7) % WORDS]);
    sum = sum * 31 + count_plainly(words[(round + 14) % WORDS]);
    sum = sum * 31 + count_lines(copy);
    sum = sum * 31 + (uint64_t)(strcmp(text, copy) > 0);
  }
  return sum;
}
