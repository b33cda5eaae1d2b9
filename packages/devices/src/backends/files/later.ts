/**
 * Answers that come at once where they can. A tree in memory or on the host's disk answers before the guest's doorbell
 * returns; one behind a network cannot. Code over both is written once, as a generator.
 */

/** Now, or by a promise. */
export type Later<T> = T | Promise<T>;

/** Steps that may wait: `const node = yield* wait(directory.lookup(name))`. */
export type Steps<T> = Generator<Promise<unknown>, T, unknown>;

/** Goes on with an answer, at once if it is there. What `act` throws, the caller sees at once or by the promise. */
export function after<T, U>(answer: Later<T>, act: (value: T) => Later<U>): Later<U> {
  return answer instanceof Promise ? answer.then(act) : act(answer);
}

/** Waits in a generator, if there is anything to wait for. */
export function* wait<T>(answer: Later<T>): Steps<T> {
  return answer instanceof Promise ? ((yield answer) as T) : answer;
}

/** Runs steps: to their end, or as far as the first promise, and from there by promises. */
export function perform<T>(steps: Steps<T>): Later<T> {
  const first = steps.next();
  return first.done ? first.value : goOn(steps, first.value);
}

async function goOn<T>(steps: Steps<T>, first: Promise<unknown>): Promise<T> {
  let awaited = first;
  for (;;) {
    let next: IteratorResult<Promise<unknown>, T>;
    try {
      next = steps.next(await awaited);
    } catch (error) {
      next = steps.throw(error);
    }
    if (next.done) return next.value;
    awaited = next.value;
  }
}
