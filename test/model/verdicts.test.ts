import { beforeAll, describe, expect, it } from "vitest";
import { atLength } from "../support/effort.js";
import { allCases, expectedOf, helds, type Expected, type VerdictCase } from "./verdict-cases.js";
import { verdictPairs, VerdictRun, type Seen, type VerdictPairs } from "./verdict-world.js";

let pairs: VerdictPairs;
beforeAll(async () => {
  pairs = await verdictPairs();
});

/** What is otherwise than the oracle has it. */
function differences(expected: Expected, seen: Seen, kmsCalls: number): object | undefined {
  const { vouchedBy, mostKmsCalls, ...rest } = expected;
  const isBy = vouchedBy === undefined || vouchedBy.some((by) => by === seen.vouchedBy);
  const isSame = Object.entries(rest).every(
    ([name, value]) => value === undefined || seen[name as keyof Seen] === value,
  );
  return isBy && isSame && kmsCalls <= mostKmsCalls ? undefined : { expected, seen, kmsCalls };
}

/** How often KMS was asked again about a claim that it has disowned, and never confirmed to this process. */
function askedInVain({ kms: { questions } }: VerdictRun, { held }: VerdictCase): number {
  const isOver = new Set<string | undefined>();
  const isConfirmed = new Set<string | undefined>(held === "P by kms" ? ["P"] : []);
  let count = 0;
  for (const { pair, answer } of questions) {
    if (isOver.has(pair)) count += 1;
    if (answer === "confirmed") isConfirmed.add(pair);
    if (answer === "disowned" && !isConfirmed.has(pair)) isOver.add(pair);
  }
  return count;
}

async function begin(given: VerdictCase): Promise<VerdictRun> {
  const run = new VerdictRun(pairs, given);
  await run.hold();
  run.change();
  return run;
}

/** One case in so many under `npm test`; all in the long run. A prime, so that no member of a case is left out. */
const share = atLength(1, 5);

const casesOf = (held: string, isWanted: (given: VerdictCase) => boolean = () => true) =>
  [...allCases()].filter(
    // Where nothing unconfirmed is wanted, nothing unconfirmed is ever held.
    (given, index) =>
      index % share === 0 &&
      given.held === held &&
      isWanted(given) &&
      !(held === "unconfirmed P" && given.requireConfirmedKey),
  );

describe.each(helds)("a process that holds %s", (held) => {
  it("encrypts with what DESIGN says, whatever head, KMS and fleet say", async () => {
    const wrong: object[] = [];
    for (const given of casesOf(held)) {
      const run = await begin(given);
      const first = run.startEncrypting();
      await run.quiet();
      run.kms.arrive();
      await run.quiet();
      await first;
      const seen = await run.encrypt();
      // Where nothing unconfirmed is wanted, nothing is held for want of a verdict, and each use asks anew.
      const asksAnew = given.requireConfirmedKey && given.held === "nothing" && given.kms === "is away" ? 1 : 0;
      const difference = differences(expectedOf(given), seen, run.kms.questions.length - asksAnew);
      if (difference) wrong.push({ given, ...difference });
    }
    expect(wrong).toEqual([]);
  });

  it("asks KMS no more about a claim that KMS has disowned", async () => {
    const wrong: object[] = [];
    let disowned = 0;
    const isWanted = ({ kms, head }: VerdictCase) => kms === "disowns" || (kms === "answers" && head === "F");
    for (const given of casesOf(held, (of) => isWanted(of) && !of.requireConfirmedKey)) {
      const run = await begin(given);
      for (let looks = 0; looks < 3; looks += 1) {
        await run.encrypt();
        run.later(20 * 60_000);
      }
      disowned += run.kms.questions.filter(({ answer }) => answer === "disowned").length;
      const again = askedInVain(run, given);
      if (again > 0) wrong.push({ given, again });
    }
    expect(wrong).toEqual([]);
    expect(disowned).toBeGreaterThan(0);
  });
});

describe("a pair that KMS itself has confirmed to this process", () => {
  it("serves on, and says so, though KMS disowns it later", async () => {
    for (const word of ["none", "forged", "of P"] as const) {
      const run = await begin({ held: "P by kms", head: "P", kms: "disowns", word, requireConfirmedKey: true });
      run.later(20 * 60_000);
      await run.encrypt();
      expect(run.kms.questions.map(({ answer }) => answer)).toEqual(["disowned"]);
      run.later();
      expect(await run.encrypt()).toMatchObject({ uses: "P", vouchedBy: "kms", usedLastKnownKey: true });
    }
  });
});

describe("a first use while KMS is slow", () => {
  it("waits for KMS where nobody remembers a pair, and for nobody where somebody does", async () => {
    const wrong: object[] = [];
    for (const given of allCases()) {
      if (given.kms !== "comes late" || given.requireConfirmedKey || given.held === "unconfirmed P") continue;
      const run = await begin(given);
      let seen: Seen | undefined;
      const first = run.startEncrypting().then((result) => (seen = result));
      await run.quiet();
      const isAsked = run.kms.isAwaited;
      const knows = given.held !== "nothing" || !["none", "forged"].includes(given.word);
      // Nothing is used meanwhile that KMS has not been heard about.
      if (isAsked && (seen !== undefined) !== knows) wrong.push({ given, seen });
      if (seen && !knows && !seen.uses.startsWith("ERR_")) wrong.push({ given, seen });
      if (seen?.confirmation === "unconfirmed") wrong.push({ given, seen });
      run.kms.arrive();
      await first;
    }
    expect(wrong).toEqual([]);
  });
});
