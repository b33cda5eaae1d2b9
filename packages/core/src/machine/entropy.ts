/** Where the randomness of the CSR `seed` comes from: the host, or, with the virtual clock, the machine's seed. */

const word = new Uint16Array(1);

/** Sixteen random bits of the host's. */
export function hostEntropy(): number {
  crypto.getRandomValues(word);
  return word[0] ?? 0;
}

/** Where a hart's generator begins: FNV-1a over the machine's seed and the hart's number. */
export function seedOf(hart: number, seed: Uint8Array = new Uint8Array()): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of [...seed, hart]) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
