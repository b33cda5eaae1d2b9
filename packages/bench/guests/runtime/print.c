// A small printf: strings, characters, decimal and hexadecimal.
#include <stdarg.h>

#include "runtime.h"

#define DIGITS_MAX 20  // 2^64 - 1 in decimal

static void pad(char fill, int count) {
  for (; count > 0; count--) {
    putchar(fill);
  }
}

static void print_text(const char *text, int length, int width, bool left) {
  if (!left) {
    pad(' ', width - length);
  }
  for (int i = 0; i < length; i++) {
    putchar(text[i]);
  }
  if (left) {
    pad(' ', width - length);
  }
}

static void print_number(uint64_t value, bool negative, unsigned base, int width, bool zeros, bool left) {
  char text[DIGITS_MAX + 1];
  int start = sizeof text;
  do {
    text[--start] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  if (zeros) {
    if (negative) {
      putchar('-');
      width--;
    }
    pad('0', width - ((int)sizeof text - start));
    width = 0;
  } else if (negative) {
    text[--start] = '-';
  }
  print_text(text + start, (int)sizeof text - start, width, left);
}

void printf(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  for (; *format != '\0'; format++) {
    if (*format != '%') {
      putchar(*format);
      continue;
    }
    format++;
    bool left = false;
    bool zeros = false;
    for (; *format == '-' || *format == '0'; format++) {
      left |= *format == '-';
      zeros |= *format == '0';
    }
    int width = 0;
    for (; *format >= '0' && *format <= '9'; format++) {
      width = width * 10 + (*format - '0');
    }
    bool wide = *format == 'l';
    if (wide) {
      format++;
    }
    switch (*format) {
      case 's': {
        const char *text = va_arg(arguments, const char *);
        print_text(text, (int)strlen(text), width, left);
        break;
      }
      case 'c': {
        char character = (char)va_arg(arguments, int);
        print_text(&character, 1, width, left);
        break;
      }
      case 'd': {
        int64_t value = wide ? va_arg(arguments, int64_t) : va_arg(arguments, int);
        print_number(value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0, 10, width, zeros, left);
        break;
      }
      case 'u':
      case 'x': {
        uint64_t value = wide ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
        print_number(value, false, *format == 'x' ? 16 : 10, width, zeros, left);
        break;
      }
      case '\0':
        va_end(arguments);
        return;
      default:
        putchar(*format);
        break;
    }
  }
  va_end(arguments);
}
