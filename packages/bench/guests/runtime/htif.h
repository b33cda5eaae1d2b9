// The host-target interface of Spike: two 64-bit words through which a program speaks to its host.
#ifndef HTIF_H
#define HTIF_H

#include <stdint.h>

extern volatile uint64_t tohost;
extern volatile uint64_t fromhost;

// Writes tohost once the host has taken the previous request; an answer that lies in fromhost meanwhile is dropped.
void htif_send(uint64_t request);

#endif
