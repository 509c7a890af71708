/**
 * `npm run house`: what may import what in `src`. Rooms stand on floors: a file imports from its own room and from lower
 * floors, never from a room beside it or above. No circle of files is allowed, type imports counted.
 */
const floors = [
  ["errors.ts", "clock.ts"],
  ["util"],
  ["events.ts"],
  ["operations.ts"],
  ["kms", "stores", "key-policy/language"],
  ["format", "key-policy", "kms/aws"],
  ["key-pairs", "recording", "in-memory-kms", "audit"],
  ["key-store", "sources", "http"],
  ["testing", "opentelemetry", "migration"],
  ["index.ts", "administration.ts", "aws.ts", "encrypt-only.ts", "telemetry.ts", "cli"],
];

const pathOf = (room) => `^src/${room}${room.endsWith(".ts") ? "$" : "/"}`;
/** Rooms inside a room that stand on another floor. */
const within = (room) => floors.flat().filter((other) => other.startsWith(`${room}/`));

const arrows = floors.flatMap((rooms, floor) =>
  rooms.map((room) => ({
    name: `floor-of-${room}`,
    severity: "error",
    from: { path: pathOf(room), pathNot: within(room).map(pathOf) },
    to: { path: "^src/", pathNot: [pathOf(room), ...floors.slice(0, floor).flat().map(pathOf)] },
  })),
);

export default {
  forbidden: [
    { name: "no-circle", severity: "error", from: {}, to: { circular: true } },
    {
      name: "every-file-in-a-room",
      severity: "error",
      from: {},
      to: { path: "^src/", pathNot: floors.flat().map(pathOf) },
    },
    ...arrows,
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
  },
};
