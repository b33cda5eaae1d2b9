#include "editor.h"

#include "uart.h"

enum {
  CTRL_C = 0x03,
  CTRL_D = 0x04,
  BELL = 0x07,
  BACKSPACE = 0x08,
  CTRL_U = 0x15,
  ESCAPE = 0x1b,
  DELETE = 0x7f,
};

// A carriage return and a line feed that follows it are one end of line.
static bool after_carriage_return;

// "ESC [ parameters final", "ESC O final" and "ESC character" (ECMA-48, 5.4): read to their end.
static void skip_escape_sequence(void) {
  uint8_t byte = uart_read();
  if (byte == 'O') {
    uart_read();
  } else if (byte == '[') {
    do {
      byte = uart_read();
    } while (byte >= 0x20 && byte < 0x40);
  }
}

static bool continues_utf8(char character) { return ((uint8_t)character & 0xc0) == 0x80; }

static size_t erase_last(const char *line, size_t length) {
  if (length == 0) {
    return 0;
  }
  do {
    length--;
  } while (length > 0 && continues_utf8(line[length]));
  printf("\b \b");
  return length;
}

enum line_end read_line(char *line, size_t bytes) {
  size_t length = 0;
  for (;;) {
    uint8_t byte = uart_read();
    bool line_feed_of_pair = byte == '\n' && after_carriage_return;
    after_carriage_return = byte == '\r';
    if (line_feed_of_pair) {
      continue;
    }
    switch (byte) {
      case '\r':
      case '\n':
        printf("\n");
        line[length] = '\0';
        return LINE_ENTERED;
      case CTRL_C:
        printf("^C\n");
        return LINE_CANCELLED;
      case CTRL_D:
        if (length == 0) {
          printf("\n");
          return LINE_END_OF_INPUT;
        }
        break;
      case BACKSPACE:
      case DELETE:
        length = erase_last(line, length);
        break;
      case CTRL_U:
        while (length > 0) {
          length = erase_last(line, length);
        }
        break;
      case ESCAPE:
        skip_escape_sequence();
        break;
      default:
        if (byte < ' ') {
          break;
        }
        if (length + 1 >= bytes) {
          putchar(BELL);
          break;
        }
        line[length++] = (char)byte;
        putchar((char)byte);
        break;
    }
  }
}
