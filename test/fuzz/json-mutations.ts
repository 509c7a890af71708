import { mutateBytes } from "./byte-mutations.js";
import type { Random } from "./random.js";

/** JSON texts of values that parsers stumble over. JavaScript can't represent all of them. */
const oddValues = [
  ...[
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "1e308",
    "-0",
    "9007199254740993",
    '""',
    '"AA=="',
    '"="',
    '"\\ud800"',
    '"\\u0000"',
    '"__proto__"',
    "[]",
    "{}",
  ],
  '{"__proto__":{"version":1}}',
  '{"toString":1,"constructor":null}',
  "[".repeat(150) + "]".repeat(150),
  '{"a":['.repeat(40) + "]}".repeat(40),
  `"${"A".repeat(20_000)}"`,
];
/** Placeholder for an odd value in the tree. */
const oddMark = (index: number) => `odd value ${index}`;

interface Place {
  readonly container: Record<string, unknown>;
  readonly key: string;
}

function places(value: unknown, found: Place[] = []): Place[] {
  if (typeof value !== "object" || value === null) return found;
  for (const [key, member] of Object.entries(value)) {
    found.push({ container: value as Record<string, unknown>, key });
    places(member, found);
  }
  return found;
}

const changes: readonly ((place: Place, value: unknown, random: Random, other: Place) => unknown)[] = [
  ({ container, key }) => Reflect.deleteProperty(container, key),
  ({ container, key }, value, random) =>
    (container[random.pick(["extra", key.toUpperCase(), "critical", "0"])] = structuredClone(value)),
  ({ container, key }, _value, _random, other) => (container[key] = structuredClone(other.container)),
  ({ container, key }, value, random) =>
    (container[key] = typeof value === "string" ? mutateBytes(Buffer.from(value), random).toString("utf8") : [value]),
  ({ container, key }, value, random) =>
    (container[key] = typeof value === "number" ? value + random.pick([-1, 1, 0.5, 1e15]) : JSON.stringify(value)),
  ({ container, key }, _value, random) => (container[key] = oddMark(random.below(oddValues.length))),
];

/** Changes a JSON text as a tree: drops, doubles, renames or replaces members. Sometimes changes its bytes after that. */
export function mutateJson(json: string, random: Random): Buffer {
  const tree: unknown = JSON.parse(json);
  for (let rounds = 1 + random.size(3); rounds > 0; rounds -= 1) {
    const all = places(tree);
    if (all.length === 0) break;
    const place = random.pick(all);
    random.pick(changes)(place, place.container[place.key], random, random.pick(all));
  }
  const text = JSON.stringify(tree).replace(
    /"odd value (\d+)"/g,
    (_whole, index: string) => oddValues[Number(index)] ?? "null",
  );
  const bytes = Buffer.from(random.chance(0.1) ? text.replace(/"(\w+)":/, '"$1":1,"$1":') : text);
  return random.chance(0.2) ? mutateBytes(bytes, random) : bytes;
}
