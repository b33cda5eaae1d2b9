// Functions on bus 0 of the PCI bridge, by their configuration space (PCI Local Bus Specification 3.0, chapter 6).
#ifndef PCI_H
#define PCI_H

#include <stdbool.h>
#include <stdint.h>

struct pci_function {
  volatile uint8_t *configuration;
  volatile uint8_t *memory;  // behind BAR 0
};

// Finds the first function of a vendor and device, or (vendor 0) of a class code; switches its memory and DMA on, its interrupts off.
bool pci_open(uint16_t vendor, uint16_t device, uint32_t class_code, struct pci_function *function);

static inline uint8_t read8(const volatile uint8_t *at) { return *at; }
static inline uint16_t read16(const volatile uint8_t *at) { return *(const volatile uint16_t *)at; }
static inline uint32_t read32(const volatile uint8_t *at) { return *(const volatile uint32_t *)at; }
static inline void write8(volatile uint8_t *at, uint8_t value) { *at = value; }
static inline void write16(volatile uint8_t *at, uint16_t value) { *(volatile uint16_t *)at = value; }
static inline void write32(volatile uint8_t *at, uint32_t value) { *(volatile uint32_t *)at = value; }

// Registers of 64 bits, as two of 32.
static inline void write_address(volatile uint8_t *at, const volatile void *address) {
  write32(at, (uint32_t)(uintptr_t)address);
  write32(at + 4, (uint32_t)((uintptr_t)address >> 32));
}

#endif
