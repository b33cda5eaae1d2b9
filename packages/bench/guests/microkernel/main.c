// The kernel that measures virtual machines: asks its host what to run (measure.h), runs it, and says how often it did. It knows no more
// of the technique under which it runs than the device tree says.
#include "benchmark.h"
#include "board.h"
#include "frames.h"
#include "ops.h"
#include "paging.h"
#include "panic.h"
#include "runtime.h"

#define REQUEST_BYTES 256

extern char kernel_end[];

struct hart boot_hart;
const struct privileged_ops *ops;

static const struct benchmark *const groups[] = {call_benchmarks, paging_benchmarks, interrupt_benchmarks, device_benchmarks};

static const struct benchmark *find(const char *name) {
  for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
    for (const struct benchmark *at = groups[i]; at->name != NULL; at++) {
      if (strcmp(at->name, name) == 0) {
        return at;
      }
    }
  }
  return NULL;
}

// Cuts a word off the text, which is zeroed behind it; "" at its end.
static const char *next_word(char **text) {
  const char *word = *text;
  char *at = *text;
  while (*at != '\0' && *at != ' ') {
    at++;
  }
  while (*at == ' ') {
    *at++ = '\0';
  }
  *text = at;
  return word;
}

static uint64_t number(const char *text) {
  uint64_t value = 0;
  for (; *text >= '0' && *text <= '9'; text++) {
    value = value * 10 + (uint64_t)(*text - '0');
  }
  return value;
}

static void parse(char *text, struct request *request) {
  *request = (struct request){.name = next_word(&text)};
  request->count = number(next_word(&text));
  if (request->count == 0) {
    request->count = 1;
  }
  while (*text != '\0' && request->argument_count < ARGUMENTS_MAX) {
    request->arguments[request->argument_count++] = next_word(&text);
  }
}

uint64_t request_number(const struct request *request, uint32_t nth, uint64_t otherwise) {
  return nth < request->argument_count ? number(request->arguments[nth]) : otherwise;
}

const char *request_word(const struct request *request, uint32_t nth) {
  return nth < request->argument_count ? request->arguments[nth] : "";
}

static enum skip run(const struct request *request) {
  const struct benchmark *benchmark = find(request->name);
  if (benchmark == NULL) {
    return SKIP_UNKNOWN;
  }
  struct frames_mark mark = frames_mark();
  enum skip outcome = benchmark->run(request);
  ops->set_space(&kernel_space);
  frames_release(mark);
  return outcome;
}

__attribute__((noreturn)) static void power_off(uint64_t reason) {
  sbi_call(SBI_SRST, SBI_SRST_RESET, SBI_SRST_SHUTDOWN, reason, 0);
  for (;;) {
  }
}

// The end of memory, or of what the kernel maps of it, or the device tree behind the kernel.
static uint64_t end_of_frames(uint64_t tree) {
  uint64_t end = board.ram_end & ~(LARGE_PAGE_BYTES - 1);
  return tree > (uintptr_t)kernel_end && tree < end ? tree : end;
}

void kernel_main(uint64_t hart, const void *tree) {
  boot_hart.id = hart;
  ops = &native_ops;
  if (!board_read(tree)) {
    panic("no device tree that says where memory is");
  }
  if (board.is_paravirtual) {
    ops = &hypercall_ops;
  }
  frames_begin((uintptr_t)kernel_end, end_of_frames((uintptr_t)tree));
  ops->take_traps(&boot_hart);
  paging_begin();
  ops->set_space(&kernel_space);

  char text[REQUEST_BYTES];
  struct request request;
  while (measure_next(text, sizeof text)) {
    parse(text, &request);
    enum skip outcome = run(&request);
    if (outcome != RAN) {
      measure_skip(outcome);
    }
  }
  power_off(0);
}
