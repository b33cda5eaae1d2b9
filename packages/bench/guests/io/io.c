// Moves bytes through devices: disks, TCP, UDP and vsock. A static Linux program for tests and for the I/O benchmark; each mode prints
// what it measured in nanoseconds, or what it got.
//
//   io disk-read FILE BYTES BLOCK       sequential, O_DIRECT
//   io disk-write FILE BYTES BLOCK      sequential, O_DIRECT, fdatasync at the end
//   io disk-random FILE COUNT BLOCK     random reads, O_DIRECT
//   io tcp-read ADDRESS PORT BYTES      connects and reads
//   io tcp-write ADDRESS PORT BYTES     connects, writes, and waits for the other end
//   io udp ADDRESS PORT TEXT            sends a datagram and prints the answer
//   io udp-echo PORT COUNT              sends datagrams back
//   io vsock-connect PORT               connects to the host and sends back all that comes
//   io vsock-listen PORT                the same for one who connects
#include "syscall.h"

enum {
  SYS_LSEEK = 62,
  SYS_FDATASYNC = 83,
  SYS_SOCKET = 198,
  SYS_BIND = 200,
  SYS_LISTEN = 201,
  SYS_ACCEPT = 202,
  SYS_CONNECT = 203,
  SYS_SENDTO = 206,
  SYS_RECVFROM = 207,
  SYS_SHUTDOWN = 210,
};
enum { O_DIRECT_RISCV = 040000, AF_INET = 2, AF_VSOCK = 40, SOCK_STREAM = 1, SOCK_DGRAM = 2, SHUT_WR = 1, HOST_CID = 2 };

#define BUFFER_BYTES (1 << 20)
static char buffer[BUFFER_BYTES] __attribute__((aligned(4096)));

struct internet_address {
  uint16_t family, port;
  uint8_t address[4];
  uint8_t zero[8];
};

struct vsock_address {
  uint16_t family, zero;
  uint32_t port, cid;
  uint8_t rest[4];
};

static uint64_t number(const char *text) {
  uint64_t value = 0;
  for (; *text >= '0' && *text <= '9'; text++) {
    value = value * 10 + (uint64_t)(*text - '0');
  }
  return value;
}

static uint64_t now(void) {
  struct timespec time = monotonic_time();
  return (uint64_t)time.seconds * 1000000000u + (uint64_t)time.nanoseconds;
}

static bool is(const char *one, const char *other) { return strcmp(one, other) == 0; }

static void done(uint64_t start) { printf("%ld\n", (long)(now() - start)); }

static uint16_t network_order(uint64_t port) { return (uint16_t)((port & 0xff) << 8 | (port >> 8 & 0xff)); }

static struct internet_address internet(const char *text, uint64_t port) {
  struct internet_address address = {AF_INET, network_order(port), {0}, {0}};
  for (int n = 0; n < 4; n++) {
    address.address[n] = (uint8_t)number(text);
    while (*text != '\0' && *text++ != '.') {
    }
  }
  return address;
}

static long open_socket(int family, int type) { return must("socket", system_call3(SYS_SOCKET, family, type, 0)); }

static void disk(const char *path, bool writes, bool is_random, uint64_t count, uint64_t block) {
  int flags = (writes ? 1 : 0) | O_DIRECT_RISCV;
  long file = must("open", system_call(SYS_OPENAT, AT_FDCWD, (long)path, flags, 0, 0));
  uint64_t blocks = (uint64_t)must("lseek", system_call3(SYS_LSEEK, file, 0, 2)) / block;
  must("lseek", system_call3(SYS_LSEEK, file, 0, 0));
  uint64_t random = 88172645463325252u;
  uint64_t start = now();
  for (uint64_t moved = 0; moved < count; moved += is_random ? 1 : block) {
    if (is_random) {
      random ^= random << 13;
      random ^= random >> 7;
      random ^= random << 17;
      must("lseek", system_call3(SYS_LSEEK, file, (long)(random % blocks * block), 0));
    }
    must(writes ? "write" : "read", system_call3(writes ? SYS_WRITE : SYS_READ, file, (long)buffer, (long)block));
  }
  if (writes) {
    must("fdatasync", system_call3(SYS_FDATASYNC, file, 0, 0));
  }
  done(start);
}

static void tcp(const char *address, uint64_t port, bool writes, uint64_t bytes) {
  struct internet_address to = internet(address, port);
  long socket = open_socket(AF_INET, SOCK_STREAM);
  must("connect", system_call3(SYS_CONNECT, socket, (long)&to, sizeof to));
  uint64_t start = now();
  for (uint64_t moved = 0; moved < bytes;) {
    uint64_t most = bytes - moved < (1 << 18) ? bytes - moved : (1 << 18);
    long count = must("move", system_call3(writes ? SYS_WRITE : SYS_READ, socket, (long)buffer, (long)most));
    if (count == 0) {
      break;
    }
    moved += (uint64_t)count;
  }
  if (writes) {
    // The other end closes when it has everything.
    must("shutdown", system_call3(SYS_SHUTDOWN, socket, SHUT_WR, 0));
    must("read", system_call3(SYS_READ, socket, (long)buffer, 1));
  }
  done(start);
}

static void print_text(long length) {
  for (long n = 0; n < length; n++) {
    putchar(buffer[n]);
  }
  putchar('\n');
}

static void udp(const char *address, uint64_t port, const char *text) {
  struct internet_address to = internet(address, port);
  long socket = open_socket(AF_INET, SOCK_DGRAM);
  must("connect", system_call3(SYS_CONNECT, socket, (long)&to, sizeof to));
  long length = 0;
  while (text[length] != '\0') {
    length++;
  }
  must("write", system_call3(SYS_WRITE, socket, (long)text, length));
  print_text(must("read", system_call3(SYS_READ, socket, (long)buffer, 65536)));
}

// As system_call, with the sixth argument in a5.
static long system_call6(long number, long a, long b, long c, long d, long e, long f) {
  register long a7 __asm__("a7") = number;
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  register long a3 __asm__("a3") = d;
  register long a4 __asm__("a4") = e;
  register long a5 __asm__("a5") = f;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
  return a0;
}

static void udp_echo(uint64_t port, uint64_t count) {
  struct internet_address here = internet("0.0.0.0", port), from;
  long socket = open_socket(AF_INET, SOCK_DGRAM);
  must("bind", system_call3(SYS_BIND, socket, (long)&here, sizeof here));
  for (uint64_t n = 0; n < count; n++) {
    uint32_t length = sizeof from;
    long got = must("recvfrom", system_call6(SYS_RECVFROM, socket, (long)buffer, 65536, 0, (long)&from, (long)&length));
    must("sendto", system_call6(SYS_SENDTO, socket, (long)buffer, got, 0, (long)&from, sizeof from));
  }
}

static void echo(long socket) {
  for (;;) {
    long count = must("read", system_call3(SYS_READ, socket, (long)buffer, BUFFER_BYTES));
    if (count == 0) {
      return;
    }
    for (long sent = 0; sent < count;) {
      sent += must("write", system_call3(SYS_WRITE, socket, (long)buffer + sent, count - sent));
    }
  }
}

static void vsock(uint64_t port, bool listens) {
  struct vsock_address address = {AF_VSOCK, 0, (uint32_t)port, listens ? UINT32_MAX : HOST_CID, {0}};
  long socket = open_socket(AF_VSOCK, SOCK_STREAM);
  if (!listens) {
    must("connect", system_call3(SYS_CONNECT, socket, (long)&address, sizeof address));
    echo(socket);
    return;
  }
  must("bind", system_call3(SYS_BIND, socket, (long)&address, sizeof address));
  must("listen", system_call3(SYS_LISTEN, socket, 1, 0));
  echo(must("accept", system_call3(SYS_ACCEPT, socket, 0, 0)));
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  if (argc == 5 && is(mode, "disk-read")) {
    disk(argv[2], false, false, number(argv[3]), number(argv[4]));
  } else if (argc == 5 && is(mode, "disk-write")) {
    disk(argv[2], true, false, number(argv[3]), number(argv[4]));
  } else if (argc == 5 && is(mode, "disk-random")) {
    disk(argv[2], false, true, number(argv[3]), number(argv[4]));
  } else if (argc == 5 && is(mode, "tcp-read")) {
    tcp(argv[2], number(argv[3]), false, number(argv[4]));
  } else if (argc == 5 && is(mode, "tcp-write")) {
    tcp(argv[2], number(argv[3]), true, number(argv[4]));
  } else if (argc == 5 && is(mode, "udp")) {
    udp(argv[2], number(argv[3]), argv[4]);
  } else if (argc == 4 && is(mode, "udp-echo")) {
    udp_echo(number(argv[2]), number(argv[3]));
  } else if (argc == 3 && is(mode, "vsock-connect")) {
    vsock(number(argv[2]), false);
  } else if (argc == 3 && is(mode, "vsock-listen")) {
    vsock(number(argv[2]), true);
  } else {
    printf("io: no such mode\n");
    return 2;
  }
  return 0;
}
