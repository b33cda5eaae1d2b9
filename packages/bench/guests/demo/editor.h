// A line of input, edited as one expects of a terminal.
#ifndef EDITOR_H
#define EDITOR_H

#include <stddef.h>

enum line_end { LINE_ENTERED, LINE_CANCELLED, LINE_END_OF_INPUT };

// Reads a line into `line`, of `bytes` bytes, zero-terminated; what does not fit is refused with a bell. Backspace and Ctrl-U erase, Ctrl-C
// cancels, Ctrl-D on an empty line ends the input, escape sequences are ignored.
enum line_end read_line(char *line, size_t bytes);

#endif
