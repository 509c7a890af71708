/** Runs a task with an additional member on `Object.prototype`. Of an async task, only its first step. */
export function polluted<T>(name: string, value: unknown, task: () => T, enumerable = true): T {
  try {
    Object.defineProperty(Object.prototype, name, { value, enumerable, writable: true, configurable: true });
    return task();
  } finally {
    Reflect.deleteProperty(Object.prototype, name);
  }
}
