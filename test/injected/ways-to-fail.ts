import { atLength, everyOf } from "../support/effort.js";
import { oddAnswers, oddErrors } from "./odd-values.js";

type AnyFunction = (...args: unknown[]) => unknown;

/** How a function of other people's may fail. */
export interface WayToFail {
  readonly name: string;
  /** What stands in the function's place; `undefined` where it is missing. */
  readonly inPlaceOf: (original: AnyFunction) => AnyFunction | undefined;
}

/** Later than any time limit, in ms. */
export const late = 20 * 60_000;

const later = (settle: () => void) => void setTimeout(settle, late);

export const throwing: readonly WayToFail[] = oddErrors.map(({ name, make }) => ({
  name: `throws ${name}`,
  inPlaceOf: () => () => {
    throw make();
  },
}));
const rejecting: WayToFail[] = oddErrors.map(({ name, make }) => ({
  name: `rejects with ${name}`,

  inPlaceOf: () => () => new Promise((_, reject) => reject(make())),
}));
const answering: WayToFail[] = oddAnswers.map(({ name, make }) => ({
  name: `resolves with ${name}`,
  inPlaceOf: () => async () => make(),
}));
/** Of functions whose answer nobody needs. */
export const returning: readonly WayToFail[] = oddAnswers.map(({ name, make }) => ({
  name: `returns ${name}`,
  inPlaceOf: () => make,
}));
const never: WayToFail = { name: "never settles", inPlaceOf: () => () => new Promise(() => undefined) };
const missing: WayToFail = { name: "is missing", inPlaceOf: () => undefined };
const doneLate: WayToFail = {
  name: "does its work late",
  inPlaceOf:
    (original) =>
    (...args) =>
      new Promise((resolve) => later(() => resolve(original(...args.slice(0, -1))))),
};
const rejectsLate: WayToFail = {
  name: "rejects late with nothing",

  inPlaceOf: () => () => new Promise((_, reject) => later(() => reject(undefined))),
};

const lateAnswers: readonly WayToFail[] = [
  ...oddAnswers
    .filter(({ name }) => / that are none$| can't be read$/.test(name))
    .map(({ name, make }) => ({
      name: `resolves late with ${name}`,
      inPlaceOf: () => () => new Promise((resolve) => later(() => resolve(make()))),
    })),
  doneLate,
  rejectsLate,
];

/** Every way, or some of each sort under `npm test`. A synchronous throw takes the way of a rejection once it is caught, so that few stand for all. */
export const everyWay: readonly WayToFail[] = [
  ...throwing.slice(0, 1),
  ...atLength(rejecting, everyOf(3, rejecting)),
  ...atLength(answering, everyOf(3, answering)),
  ...lateAnswers,
  never,
  missing,
];

/** One way of each sort, for what is tried in more situations. */
const oneOfEach: readonly WayToFail[] = [
  ...rejecting.filter(({ name }) => / undefined$| a KmsError of a newer copy$/.test(name)),
  ...answering.filter(({ name }) => /an object that can't be read$/.test(name)),
  ...lateAnswers.slice(0, 1),
  never,
  missing,
];

export const someWays = atLength(oneOfEach, oneOfEach.slice(-3));

/** Has a method fail for all who share its object. @returns what mends it */
export function spoil(owner: object, method: string, way: WayToFail): () => void {
  const original = (owner as Record<string, AnyFunction>)[method] as AnyFunction;
  Object.assign(owner, { [method]: way.inPlaceOf(original.bind(owner)) });
  return () => void Object.assign(owner, { [method]: original });
}
