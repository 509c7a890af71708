import { InvalidInputError } from "../errors.js";

/** @throws InvalidInputError for a time, in ms, that is not 1 to 600,000 */
export function checkTimes(times: Readonly<Record<string, number>>): void {
  for (const [field, value] of Object.entries(times)) {
    if (!(Number.isFinite(value) && value >= 1 && value <= 600_000))
      throw new InvalidInputError(field, "must be 1 to 600,000 milliseconds", value);
  }
}
