/** Runs a task with a member more on `Object.prototype`, which every object inherits; of an async task, its first step. */
export function polluted<T>(name: string, value: unknown, task: () => T, enumerable = true): T {
  try {
    Object.defineProperty(Object.prototype, name, { value, enumerable, writable: true, configurable: true });
    return task();
  } finally {
    Reflect.deleteProperty(Object.prototype, name);
  }
}
